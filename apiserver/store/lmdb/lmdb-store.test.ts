/** Embedded store: the cases of all stores, and what only a directory on disk can do. */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silent } from "../../../machinery/process/logging.ts";
import { storeCases } from "../store.cases.ts";
import { openLmdbStore } from "./lmdb-store.ts";

const temporary = () => mkdtempSync(join(tmpdir(), "k8ts-lmdb-"));

storeCases("lmdb", async (options) => {
  const directory = temporary();
  const store = await openLmdbStore({ directory, log: silent, ...options });
  return {
    store,
    async stop() {
      await store.close();
      rmSync(directory, { recursive: true });
    },
  };
});
void statSync;
