// Runs modules to units of fuel on V8 and prints what is seen there, for bench/stops.py.
// In: {code, stack, arguments, fuels} as JSON, one a line; out: one list of hashes for each.
"use strict";
const { createHash } = require("crypto");
const { createInterface } = require("readline");

function bits(value) {
  if (typeof value === "bigint") return value.toString();
  if (Number.isNaN(value)) return "nan";
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  return view.getBigUint64(0).toString();
}

function numbers(exports, types) {
  return types.map((type, index) => {
    const { value } = exports[`pico-1:global ${index}`];
    return type === "f" ? bits(value) : value.toString();
  });
}

function see(module, given, fuel) {
  const imports = {};
  for (const item of WebAssembly.Module.imports(module))
    (imports[item.module] ??= {})[item.name] = () => {};
  const { exports } = new WebAssembly.Instance(module, imports);
  const counter = exports["pico-1:fuel"], stack = exports["pico-1:stack"];
  counter.value = BigInt(fuel);
  stack.value = given.stack;
  let outcome = 0;
  try { exports.handle(...given.arguments); } catch (error) {
    if (!(error instanceof WebAssembly.RuntimeError)) throw error;
    outcome = stack.value < 0 ? 4 : 2;
  }
  if (counter.value < 0n) outcome = 3;
  const used = outcome === 3 ? fuel : fuel - Number(counter.value);
  const memory = createHash("sha256").update(Buffer.from(exports.memory.buffer)).digest("hex");
  const seen = [outcome, used, memory, ...numbers(exports, given.types)];
  return createHash("sha256").update(seen.join(" ")).digest("hex");
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const given = JSON.parse(line);
  const module = new WebAssembly.Module(Buffer.from(given.code, "hex"));
  console.log(JSON.stringify(given.fuels.map((fuel) => see(module, given, fuel))));
});
