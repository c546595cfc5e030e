/**
 * images: brings image archives to this node and lists what it has. The command behind `k8ts images`.
 *
 * It talks to the node's runtime over its HTTP interface, as the kubelet does. Where `up --nodes` made several
 * nodes, each of them is meant.
 */
import { existsSync } from "node:fs";
import { basename } from "node:path";
import { homesOfNodes } from "../../machinery/machines/local-nodes.ts";
import { systemClock } from "../../machinery/process/clock.ts";
import { homePaths } from "../../machinery/process/home.ts";
import { createLogger } from "../../machinery/process/logging.ts";
import { homeDirectory } from "../../machinery/process/run.ts";
import { imageTar } from "./build.ts";
import { importImage, importTar } from "./import.ts";
import { imageTable, listImages } from "./list.ts";
import { sampleImage } from "./sample-image.ts";

const USAGE = `Usage: k8ts images COMMAND

  import FILE...  bring in images from archives (docker save or OCI layout)
  list            show the images of this node
  sample          build the sample's image and bring it in
`;

type Run = (socket: string, files: readonly string[]) => Promise<number>;

const log = createLogger({
  component: "images",
  clock: systemClock,
  level: "warn",
  write: (line) => void process.stderr.write(line),
});

const commands: Readonly<Record<string, Run>> = {
  async import(socket, files) {
    if (files.length === 0) return usage();
    for (const file of files) say(await importImage({ socket, file, log }));
    return 0;
  },
  async list(socket) {
    process.stdout.write(`${imageTable(await listImages({ socket }))}\n`);
    return 0;
  },
  async sample(socket) {
    say(await importTar({ socket, tar: imageTar(sampleImage()), log }));
    return 0;
  },
};

/** Resolves with the exit code. */
export async function imagesCommand(argv: readonly string[]): Promise<number> {
  const [name = "", ...files] = argv;
  if (["--help", "-h", "help"].includes(name)) {
    process.stdout.write(USAGE);
    return 0;
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!command) return usage();
  const paths = homePaths(homeDirectory());
  const nodes = [paths, ...homesOfNodes(paths)].filter(({ criSocket }) => existsSync(criSocket));
  if (nodes.length === 0) {
    process.stderr.write(
      `k8ts images: no node runs here (${paths.criSocket} does not exist): start one with 'k8ts up'\n`,
    );
    return 1;
  }
  try {
    for (const { root, criSocket } of nodes) {
      if (nodes.length > 1) process.stdout.write(`${basename(root)}:\n`);
      const code = await command(criSocket, files);
      if (code !== 0) return code;
    }
    return 0;
  } catch (error) {
    process.stderr.write(`k8ts images ${name}: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

function say(names: readonly string[]): void {
  for (const name of names) process.stdout.write(`${name} imported\n`);
}

function usage(): number {
  process.stderr.write(USAGE);
  return 2;
}
