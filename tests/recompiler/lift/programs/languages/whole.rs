// Panics caught and not, threads, closures, traits, collections, formatting, 128-bit integers, strings, files, overflow checks.
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::fmt;
use std::io::{self, BufRead, Write};
use std::panic;

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Number(f64),
    Word(String),
    Nested(Vec<Token>),
}
#[derive(Debug)]
struct Failure(usize);
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "failure at {:>4}", self.0)
    }
}
impl std::error::Error for Failure {}

fn parse(text: &str) -> Result<Vec<Token>, Box<dyn std::error::Error>> {
    let mut stack = vec![vec![]];
    for (at, word) in text.split_whitespace().enumerate() {
        match word {
            "(" => stack.push(vec![]),
            ")" => {
                let inner = stack.pop().ok_or(Failure(at))?;
                stack.last_mut().ok_or(Failure(at))?.push(Token::Nested(inner));
            }
            _ if word.starts_with(|c: char| c.is_ascii_digit()) => stack.last_mut().unwrap().push(Token::Number(word.parse()?)),
            _ => stack.last_mut().unwrap().push(Token::Word(word.to_uppercase())),
        }
    }
    stack.pop().ok_or_else(|| Failure(0).into())
}
struct Guard<'a>(&'a std::cell::Cell<u32>);
impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1)
    }
}
fn dive(n: u32, drops: &std::cell::Cell<u32>) -> u32 {
    let _guard = Guard(drops);
    if n == 0 {
        panic!("at the bottom")
    }
    dive(n - 1, drops) + 1
}
trait Shape {
    fn area(&self) -> f64;
}
struct Circle(f64);
struct Square(f64);
impl Shape for Circle {
    fn area(&self) -> f64 {
        self.0 * self.0 * std::f64::consts::PI
    }
}
impl Shape for Square {
    fn area(&self) -> f64 {
        self.0 * self.0
    }
}
fn main() {
    panic::set_hook(Box::new(|info| eprintln!("{}", info))); // the default one prints a thread's number
    let how = std::env::args().nth(1).unwrap_or_default();
    println!("{:?}", parse("1 two ( 3.5 four ( five ) ) 6e-3"));
    println!("{:?} {}", parse("1x").map_err(|e| e.to_string()), parse("a ) )").unwrap_err());
    let drops = std::cell::Cell::new(0);
    let caught = panic::catch_unwind(panic::AssertUnwindSafe(|| dive(100, &drops)));
    println!("{} {}", caught.is_err(), drops.get());
    let shapes: Vec<Box<dyn Shape>> = (1..9).map(|n| if n % 2 == 0 { Box::new(Circle(n as f64)) as Box<dyn Shape> } else { Box::new(Square(n as f64)) }).collect();
    println!("{:.6}", shapes.iter().map(|s| s.area()).sum::<f64>());
    let mut random = 88172645463325252u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let mut numbers: Vec<u64> = (0..5000).map(|_| next() % 10007).collect();
    let mut counts: HashMap<u64, usize> = HashMap::new();
    let mut tree = BTreeMap::new();
    for &n in &numbers {
        *counts.entry(n % 501).or_default() += 1;
        tree.entry(format!("k{:03}", n % 77)).or_insert_with(Vec::new).push(n);
    }
    numbers.sort_unstable();
    let mut heap: BinaryHeap<_> = numbers.iter().map(|n| n * 31 % 997).collect();
    let top: Vec<_> = (0..5).filter_map(|_| heap.pop()).collect();
    let queue: VecDeque<_> = numbers.iter().rev().step_by(700).collect();
    println!("{} {:?} {:?} {:?}", counts.values().max().unwrap(), top, queue, tree.iter().next().map(|(k, v)| (k, v.len())));
    let wide = (0..40u128).fold(1u128, |a, n| a.wrapping_mul(n + 3) ^ (a >> 5));
    println!("{} {:x} {}", wide, wide / 1_000_003, (wide as i128 >> 70) % 12345);
    println!("{:e} {:?} {:?} {:8.3}|{:<8}|{:^8}|{:+}", 12345.678f64, 0.1f32 + 0.2f32, 1e21f64, 2.0f64 / 3.0, "left", "mid", 5);
    println!("{:?} {:?}", 300u32.checked_mul(20_000_000), (-7i32).rem_euclid(3));
    println!("{}", "Grüße, Jürgen ❤".chars().rev().filter(|c| c.is_alphabetic()).collect::<String>());
    let (sender, receiver) = std::sync::mpsc::channel();
    let shared = std::sync::Mutex::new(0u64);
    std::thread::scope(|scope| {
        for part in numbers.chunks(1250) {
            let (sender, shared) = (sender.clone(), &shared);
            scope.spawn(move || {
                *shared.lock().unwrap() += part.iter().sum::<u64>();
                sender.send(part.len()).unwrap();
            });
        }
        drop(sender);
        println!("{} parts of {}", receiver.iter().count(), numbers.len());
    });
    println!("{} {:?}", shared.lock().unwrap(), std::thread::spawn(|| if true { panic!("in a thread") }).join().is_err());
    std::fs::write("made.txt", numbers.iter().map(|n| n.to_string()).collect::<Vec<_>>().join(" ")).unwrap();
    println!("{:?}", std::fs::read_to_string("none").map_err(|e| e.kind()));
    let lines: Vec<String> = io::stdin().lock().lines().map(|l| l.unwrap()).collect();
    io::stdout().flush().unwrap();
    match how.as_str() {
        "panic" => panic!("not caught: {}", lines.len()),
        "overflow" => println!("{}", lines.len() as u8 - 200),
        "index" => println!("{}", numbers[lines.len() + 5000]),
        "exit" => std::process::exit(42),
        "abort" => std::process::abort(),
        _ => println!("{}", lines.join("/")),
    }
}
