/** Memory store: the cases of all stores. */
import { createMemoryStore } from "./memory.ts";
import { storeCases } from "./store.cases.ts";

storeCases("memory", async (options) => {
  const store = createMemoryStore(options);
  return { store, stop: () => store.close() };
});
