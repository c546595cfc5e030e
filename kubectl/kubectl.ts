/**
 * kubectl: the command line, from arguments to exit code.
 *
 * Imports one command's file only, for start-up time. Never imports apiserver: types come from the
 * server's discovery and OpenAPI. Commands are in commands/, printing in output/.
 */
import type { Cluster } from "./cluster.ts";
import { type AnyCommand, type CommandGroup, type GlobalValues, globalFlags, isGroup } from "./command.ts";
import { commands } from "./commands.ts";
import { CommandError, failureOf, PlainError } from "./errors.ts";
import { FlagError, type FlagTable, parseFlags } from "./flags.ts";
import { groupHelp, helpOf, overview } from "./help.ts";
import type { KubectlIo } from "./io.ts";
import { similar } from "./similar.ts";

export async function kubectl(argv: readonly string[], io: KubectlIo): Promise<number> {
  try {
    await dispatch(argv, io);
    return 0;
  } catch (error) {
    if (io.signal.aborted && !(error instanceof CommandError)) return 130;
    const { text, code } = failureOf(error);
    if (text !== "") io.stderr.write(text);
    return code;
  }
}

async function dispatch(argv: readonly string[], io: KubectlIo): Promise<void> {
  const { before, words } = splitAtCommand(argv);
  const [name, ...rest] = words;
  if (name === undefined || name === "help" || (before.length > 0 && parsed(before).help)) {
    return help(name === "help" ? rest : words, io);
  }
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!entry) throw unknownCommand(name, "kubectl", Object.keys(commands));
  const found = await entry.load();
  const { command, path, line } = descend(found, name, rest);
  if (!command) return void io.stdout.write(groupHelp(path, found as CommandGroup));
  await run(command, path, [...before, ...line], io);
}

const parsed = (argv: readonly string[]) => parseFlags(globalFlags, argv).values as unknown as GlobalValues;

/** Global flags may stand before the command: `kubectl -n x get pods`. */
function splitAtCommand(argv: readonly string[]): { before: readonly string[]; words: readonly string[] } {
  const { args } = parseFlags(globalFlags, argv, { stopAtArgument: true });
  return { before: argv.slice(0, argv.length - args.length), words: args };
}

function descend(found: AnyCommand | CommandGroup, name: string, rest: readonly string[]) {
  if (!isGroup(found)) return { command: found, path: name, line: rest };
  const word = rest.find((one) => !one.startsWith("-"));
  const full = word === undefined ? undefined : (found.aliases?.[word] ?? word);
  if (word !== undefined && full !== undefined && Object.hasOwn(found.commands, full)) {
    const line = [...rest];
    line.splice(rest.indexOf(word), 1);
    return { command: found.commands[full]!, path: `${name} ${full}`, line };
  }
  if (found.itself && !rest.some((one) => one === "--help" || one === "-h"))
    return { command: found.itself, path: name, line: rest };
  if (word !== undefined) throw unknownCommand(word, `kubectl ${name}`, Object.keys(found.commands));
  return { command: undefined, path: name, line: rest };
}

async function run(command: AnyCommand, path: string, line: readonly string[], io: KubectlIo): Promise<void> {
  const table: FlagTable = { ...globalFlags, ...command.flags };
  const { values, given, args, dash } = parseLine(table, line, path);
  const globals = values as unknown as GlobalValues;
  if (globals.help) return void io.stdout.write(helpOf(path, command));
  let warned = false;
  let open: Promise<Cluster> | undefined;
  const cluster = async () => {
    const { openCluster } = await import("./cluster.ts");
    const onWarning = (text: string) => {
      warned = true;
      io.stderr.write(`Warning: ${text}\n`);
    };
    return openCluster({ globals, io, onWarning });
  };
  try {
    await command.run({
      args,
      flags: values as never,
      given,
      dash,
      name: path,
      io,
      clock: io.clock,
      out: (text) => void io.stdout.write(text),
      err: (text) => void io.stderr.write(text),
      cluster: () => {
        open ??= cluster();
        return open;
      },
      globals,
    });
    if (warned && globals["warnings-as-errors"]) throw new CommandError("1 warning received");
  } finally {
    await (await open?.catch(() => undefined))?.close();
  }
}

function parseLine(table: FlagTable, line: readonly string[], path: string) {
  try {
    return parseFlags(table, line);
  } catch (error) {
    if (!(error instanceof FlagError)) throw error;
    throw new PlainError(`error: ${error.message}\nSee 'kubectl ${path} --help' for usage.`);
  }
}

function unknownCommand(name: string, under: string, known: readonly string[]): PlainError {
  const near = similar(name, known);
  const hint = near.length > 0 ? `\n\nDid you mean this?\n${near.map((one) => `\t${one}`).join("\n")}` : "";
  return new PlainError(`error: unknown command "${name}" for "${under}"${hint}`);
}

async function help(words: readonly string[], io: KubectlIo): Promise<void> {
  const [name, sub] = words;
  if (name === undefined) return void io.stdout.write(overview());
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!entry) throw unknownCommand(name, "kubectl", Object.keys(commands));
  const found = await entry.load();
  if (!isGroup(found)) return void io.stdout.write(helpOf(name, found));
  const below = sub === undefined ? undefined : found.commands[sub];
  io.stdout.write(below ? helpOf(`${name} ${sub}`, below) : groupHelp(name, found));
}
