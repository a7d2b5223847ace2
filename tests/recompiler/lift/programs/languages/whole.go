// Goroutines, channels, select, maps, interfaces, closures, defer and recover, slices, strings, floats, errors, files.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"math"
	"os"
	"sort"
	"strings"
	"sync"
)

type shape interface{ area() float64 }
type circle struct{ r float64 }
type square struct{ side float64 }

func (c circle) area() float64  { return c.r * c.r * math.Pi }
func (s *square) area() float64 { return s.side * s.side }

var failure = errors.New("failure")

func risky(n int) (result int, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("recovered %v: %w", r, failure)
		}
	}()
	if n%3 == 0 {
		panic(n)
	}
	values := []int{1, 2, 3, 4}
	return values[n], nil
}

func deep(n int) int {
	var room [64]int
	room[n%64] = n
	if n == 0 {
		return 1
	}
	return deep(n-1) + room[n%64]%3
}

func main() {
	shapes := []shape{circle{1}, &square{2}, circle{3}}
	total := 0.0
	for _, s := range shapes {
		total += s.area()
	}
	fmt.Printf("%.6f %T %v\n", total, shapes[1], shapes[0])
	for n := 0; n < 7; n++ {
		v, err := risky(n)
		fmt.Println(v, err, errors.Is(err, failure))
	}
	counts := map[string]int{}
	for n := 0; n < 5000; n++ {
		counts[fmt.Sprintf("k%d", n*7919%701)] += n
	}
	keys := make([]string, 0, len(counts))
	for k := range counts {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	fmt.Println(len(keys), keys[:3], counts["k5"])
	fmt.Println(deep(100000))
	numbers, squares := make(chan int), make(chan int, 4)
	var group sync.WaitGroup
	for worker := 0; worker < 4; worker++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for n := range numbers {
				squares <- n * n
			}
		}()
	}
	go func() {
		for n := 0; n < 1000; n++ {
			numbers <- n
		}
		close(numbers)
		group.Wait()
		close(squares)
	}()
	sum := 0
	for s := range squares {
		sum += s
	}
	fmt.Println(sum)
	var big []byte
	for n := 0; n < 200; n++ {
		big = append(make([]byte, 0, 10000), big...)
		big = append(big, byte(n))
	}
	fmt.Println(len(big), strings.Repeat("ab", 3), math.Sqrt(2), math.Inf(-1), 1e21, uint64(1)<<63)
	os.WriteFile("made.txt", big, 0o644)
	_, err := os.ReadFile("none")
	fmt.Println(err, os.IsNotExist(err))
	scanner := bufio.NewScanner(os.Stdin)
	for scanner.Scan() {
		fmt.Println(strings.ToUpper(scanner.Text()))
	}
	if len(os.Args) > 1 {
		os.Exit(len(os.Args[1]))
	}
}
