-- Tables, strings, patterns, closures, coroutines, metatables, pcall, goto, integers and floats, string.format, files.
local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end
print(fib(20), 7 // 2, -7 // 2, 7 % -3, 2 ^ 0.5, 1e15, 2 ^ 53 | 0, 3 | 4 ~ 1, math.maxinteger + 1 == math.mininteger)
local Point = {}
Point.__index = Point
Point.__add = function(a, b) return setmetatable({ x = a.x + b.x, y = a.y + b.y }, Point) end
Point.__tostring = function(p) return string.format("(%g, %g)", p.x, p.y) end
print(tostring(setmetatable({ x = 1, y = 2.5 }, Point) + setmetatable({ x = 3, y = 4 }, Point)))
local words = {}
for word in ("the quick brown fox jumps over the lazy dog the end"):gmatch("%a+") do words[word] = (words[word] or 0) + 1 end
local keys = {}
for key in pairs(words) do keys[#keys + 1] = key end
table.sort(keys, function(a, b) if words[a] ~= words[b] then return words[a] > words[b] end return a < b end)
print(table.concat(keys, " "), words.the)
print(("hello world"):gsub("o", "0"), ("key = value"):match("^(%w+)%s*=%s*(%w+)$"), ("%d"):rep(3, ","), ("abc"):byte(1, -1))
local function walk(n) if n > 0 then walk(n - 1) coroutine.yield(n) walk(n - 2) end end
local sum = 0
for n in coroutine.wrap(function() walk(12) end) do sum = sum * 3 % 1000003 + n end
print(sum, select("#", table.unpack({ 1, nil, 3 }, 1, 3)), select(2, pcall(error, { code = 5 })).code)
print(pcall(function() return nil + 1 end))
print(select(2, xpcall(function() local t = nil; return t.x end, function(m) return "handled: " .. m end)))
for i = 1, 3 do for j = 1, 3 do if j == 2 then goto continue end io.write(i, ":", j, " ") ::continue:: end end
print(string.format("%5.2f|%-8s|%08.3e|%x|%q|%i|%a", math.pi, "left", 12345.678, 255, 'q"\n', 42, 0.5))
print(string.pack("<i4d", 7, 1.5):byte(1, -1))
local matrix = {}
for i = 1, 30 do matrix[i] = {} for j = 1, 30 do matrix[i][j] = (i * j) % 7 - 3.5 end end
local trace = 0
for i = 1, 30 do for j = 1, 30 do trace = trace + matrix[i][j] * matrix[j][i] end end
print(trace, math.floor(-3.5), math.fmod(7, -3), math.tointeger(3.0), 10 // 0.0, -1 % math.huge, tostring(0 / 0):gsub("-", ""))
local file = assert(io.open("made.txt", "w"))
for i = 1, 100 do file:write(i * i, "\n") end
file:close()
local count, total = 0, 0
for line in io.lines("made.txt") do count, total = count + 1, total + tonumber(line) end
print(count, total, io.open("none"))
for line in io.lines() do print(line:upper()) end
local long = {}
for i = 1, 20000 do long[i] = ("%d"):format(i * 7919 % 10007) end
table.sort(long)
collectgarbage()
print(long[1], long[10000], #table.concat(long), load("return 1 +"))
os.exit(7)
