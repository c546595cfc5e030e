/**
 * Debian root: a root file system made of Debian's packages, for images of tests and samples.
 *
 * Packages are downloaded with their dependencies, unpacked without running their scripts, and
 * kept in a cache by what was asked for. A shell and the usual small programs come from busybox.
 */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Only there to configure a system that is installed: an image has no use for them. */
const LEFT_OUT =
  /^(perl.*|libperl.*|lib.*-perl|debconf|dpkg|tar|usrmerge|init-system-helpers|sysvinit-utils|adduser|passwd|libpam.*|libaudit.*|libsemanage.*|libsepol.*|lsb-base|iproute2|libbpf.*|libtirpc.*|libgssapi.*|libkrb5.*|libk5.*|libkeyutils.*|libcom-err.*|libdb5.*|libgdbm.*)$/;

const cache = join(tmpdir(), "k8ts-debian-roots");

/** Returns the directory. The same packages are made once a machine. */
export async function debianRoot(name: string, packages: readonly string[]): Promise<string> {
  const root = join(cache, name);
  if (existsSync(root)) return root;
  const work = join(cache, `${name}.${process.pid}`);
  rmSync(work, { recursive: true, force: true });
  const debs = join(work, "debs");
  const made = join(work, "root");
  for (const directory of [
    debs,
    ...["usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "tmp", "etc", "root", "run", "var"].map((one) =>
      join(made, one),
    ),
  ]) {
    mkdirSync(directory, { recursive: true });
  }
  for (const merged of ["bin", "sbin", "lib", "lib64"]) symlinkSync(`usr/${merged}`, join(made, merged));
  const all = [...packages, "busybox-static"];
  // apt's lists may be missing or name versions that are gone.
  await download(all, debs).catch(async () => {
    await run("apt-get", ["-o", "DPkg::Lock::Timeout=120", "update", "-qq"]);
    await download(all, debs);
  });
  for (const file of readdirSync(debs)) {
    await run("sh", [
      "-c",
      'dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --keep-directory-symlink',
      "sh",
      join(debs, file),
      made,
    ]);
  }
  await linkApplets(made);
  for (const useless of ["usr/share/doc", "usr/share/man", "usr/share/locale"])
    rmSync(join(made, useless), { recursive: true, force: true });
  writeFileSync(
    join(made, "etc/passwd"),
    "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/var/www:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n",
  );
  writeFileSync(join(made, "etc/group"), "root:x:0:\nwww-data:x:33:\nnogroup:x:65534:\n");
  if (!existsSync(root)) renameSync(made, root);
  rmSync(work, { recursive: true, force: true });
  return root;
}

/** The closure of dependencies, as apt would install it on an empty system. */
async function download(packages: readonly string[], into: string): Promise<void> {
  const status = join(into, "..", "status");
  writeFileSync(status, "");
  const args = [
    "-o",
    `Dir::State::status=${status}`,
    "install",
    "-y",
    "--no-install-recommends",
    "--print-uris",
    ...packages,
  ];
  const { stdout } = await run("apt-get", args, { maxBuffer: 16 * 1024 * 1024 });
  const names = [...stdout.matchAll(/^'[^']*\/([^_/]+)_[^']*'/gm)].map((match) =>
    decodeURIComponent(match[1] as string),
  );
  const wanted = names.filter((one) => !LEFT_OUT.test(one));
  await run("apt-get", ["download", ...wanted], { cwd: into, maxBuffer: 16 * 1024 * 1024 });
}

async function linkApplets(root: string): Promise<void> {
  const { stdout } = await run(join(root, "bin/busybox"), ["--list"]);
  for (const applet of stdout.trim().split("\n")) {
    const link = join(root, "bin", applet);
    if (!existsSync(link) && applet !== "busybox") symlinkSync("busybox", link);
  }
}
