"""The forms of expressions, by the kind of value they mostly have.

`$number`, `$array` and so on stand for a random expression of that kind; the same in capitals for
one that needs no parentheses before a dot. The others: `$any` an expression of any kind, `$leaf` a
name or a literal, `$key` a quoted key, `$path` one key or an array of keys, `$pattern` a regular
expression, `$test`, `$fold`, `$text` and `$maker` a function literal giving a boolean, a number,
a string and anything, `$place` a small integer, `$time`, `$unit`, `$format` texts for time:*,
`$json` JSON in a string, `$few` a small number as it may begin a range.
"""

from __future__ import annotations

OPERATORS = (
    "+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "like", "><", "<=>", "cmp",
    "&&", "||", "&&", "||",
)  # fmt: skip

NUMBER = """
$NUMBER + $number
$NUMBER - $number
$NUMBER * $number
$NUMBER / $number
$NUMBER % $number
-$NUMBER
+$NUMBER
- $NUMBER
($any <=> $any)
($any cmp $any)
$ARRAY.length()
$STRING.length()
$MAP.length()
$ANY.length()
$ARRAY.reduce($fold)
$ARRAY.reduce($fold, $number)
math:abs($NUMBER)
math:ceiling($NUMBER)
math:floor($NUMBER)
math:round($NUMBER)
math:int($number)
math:round($NUMBER, 2)
math:floor($NUMBER, 1)
$STRING.as("Number")
$STRING.ord()
$NUMBER.band(12)
$NUMBER.bor(3)
$NUMBER.bxor($number)
$NUMBER.bnot()
$NUMBER.shiftLeft(3)
$NUMBER.shiftRight(1)
$ARRAY.index($any)
$ARRAY.sort("numeric")[0]
""".strip().splitlines()

STRING = """
$any + $STRING
$STRING.uc()
$STRING.lc()
$STRING.capitalize()
$STRING.trim()
$STRING.trimLeading()
$STRING.trimTrailing()
$STRING.replace($pattern, $text)
$STRING.replace($pattern, $string)
$STRING.replace($string, "<$$1>")
$STRING.replace($pattern, "$$&$$1$$$$")
$STRING.replace($pattern)
$ANY.typeof()
$ANY.encode()
$ANY.as("String")
$ANY.encode(2)
$ANY.encode($leaf)
$ARRAY.join()
$ARRAY.join(",")
$ARRAY.join($string)
$ANY.join($string)
join(str = $string, val = $array)
$NUMBER.sprintf("<%d> %d")
$STRING.sprintf("%s %d \\\\%s")
$NUMBER.sprintf($string)
$STRING.substr($place)
$STRING.substr($place, $place)
$STRING.substr($number, $place)
$STRING.substr(len = $place, start = 1)
$NUMBER.chr()
$STRING.split("")[$place]
$NUMBER.as("Hex")
math:base64encode($string)
math:base64decode($string)
math:hash("sha256", $any)
math:hash("md5", $string, "base64")
math:hmac("sha1", $string, $string)
$STRING.math:hash($string)
time:new($time)
time:new($number)
time:now()
time:add($time, {$unit: $few})
time:strftime($time, $format)
""".strip().splitlines()

BOOLEAN = """
($any == $any)
($array == $array)
($any != $any)
($number < $number)
($any <= $any)
($string > $string)
($any >= $any)
($string like $pattern)
($string like $string)
($array >< $any)
($map >< $string)
not $boolean
not $any
$ARRAY.all($test)
$ARRAY.any($test)
$MAP.none($test)
$ANY.notall($test)
$ARRAY.all()
$ANY.isnull()
$ANY.isEmpty()
$STRING.startsWith($string)
$STRING.endsWith($string)
$STRING.contains($any)
$STRING.match($pattern)
$ANY.match($any)
$ANY.as("Boolean")
($any || $any)
($any && $any)
""".strip().splitlines()

ARRAY = """
[]
[$any]
[$any, $any]
[$any, $any, $any,]
$ARRAY.map($maker)
$ARRAY.filter($test)
$ARRAY.map($leaf)
map(iter = $maker, val = $array)
filter($array, iter = $test)
$STRING.split($pattern)
$STRING.split($string)
$STRING.extract($pattern)
$STRING.extract($string)
$MAP.keys()
$MAP.values()
$ANY.keys($path)
$ANY.values($path)
[$array, $array].pairwise($maker)
[$array, $any, $array].pairwise($maker)
$few.range($few)
$ARRAY.union($array)
$ARRAY.intersection($array)
$ARRAY.difference($array)
$ARRAY.has($array)
$ANY.union($any)
$ANY.difference($any)
$ARRAY.append($array)
$ANY.append($any, $any)
$ARRAY.unique()
$ARRAY.once()
$ANY.once()
$ARRAY.duplicates()
$ARRAY.reverse()
$ARRAY.stdlib:reverse()
$ANY.tail()
$ARRAY.sort()
$ARRAY.sort("reverse")
$ARRAY.sort("ciremun")
$ARRAY.sort($leaf)
$ARRAY.sort(function(a, b){a <=> b})
$ARRAY.sort(function(a, b){b < a})
$ARRAY.sort($maker)
$ARRAY.slice($place)
$ARRAY.slice($place, $place)
$ARRAY.splice($place, $place)
$ARRAY.splice($place, $place, $any)
$ARRAY.put($path, $any)
$ARRAY.put(toSet = $any, path = [0])
$ARRAY.put($array)
$ARRAY.delete($place)
$ARRAY.set($path, $any)
""".strip().splitlines()

MAP = """
{}
{$key: $any}
{$key: $any, $key: $any}
{$key: $any, $key: $any, $key: $any,}
$MAP.map($maker)
$MAP.filter($test)
$MAP.put($path, $any)
$MAP.set($path, $any)
$ANY.put($path, $any)
$ANY.set($path, $any)
$MAP.put($map)
$ANY.put($any)
$MAP.delete($path)
$ARRAY.collect($text)
$MAP.collect($fold)
$ANY.collect($maker)
$json.decode()
""".strip().splitlines()

REGEXP = """
$pattern
$STRING.as("RegExp")
""".strip().splitlines()

# A value of any kind, `$made`, as a part of something else that is taken apart again.
PICKED = """
[$any, $made][1]
[$made].head()
{$key: $made}.values()[0]
{"k": $made}{"k"}
{"k": {"k": $made}}{["k", "k"]}
{"k": [$made]}{["k", 0]}
{"k": $made}.get("k")
[$made]{0}
{}{$key}.defaultsTo($made)
[$made].reverse()[0]
{"k": $made}["k"]
[$made]["0"]
$any => ($made) | $made
($boolean => ($made) | $made)
($any || $made)
($boolean && $made)
($made)
/* a comment */ $made
(function(){r = function(i){i <= 0 => $made | r(i - 1)} r(3)})()
(function(){r = function(i){i <= 0 => [] | [$made].append(r(i - 1))} r(2)})()[0]
(function(){p = function(i){i <= 0 => $made | q(i - 1)}; q = function(i){p(i - 1)}; p(4)})()
(function(){p = function(){q}; q = $made; p()})()
(function(i, j = [i], k = j.head()){k})($made)
(function(i, j){j.defaultsTo(i)})(j = null, i = $made)
[1, 2].map(function(i){function(){[i, $made]}})[1]()[1]
$ANY{$path} || $made
$ANY[$leaf] || $made
$ANY.head() || $made
$ANY.get($path) || $made
""".strip().splitlines()
