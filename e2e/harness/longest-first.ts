/** Longest first: the order of test files, so that no long one is left over at the end, with the others done. */
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** From the longest on; the others follow as vitest has them. */
const LONGEST = [
  "e2e/soak/soak.e2e.ts",
  "e2e/kills.e2e.ts",
  "e2e/guestbook.e2e.ts",
  "e2e/kubectl.e2e.ts",
  "e2e/nodes.e2e.ts",
  "e2e/servers.e2e.ts",
  "e2e/simulator/simulator.test.ts",
  "e2e/simulator/first-seeds.test.ts",
  "e2e/simulator/more-seeds.test.ts",
  "e2e/streams.e2e.ts",
  "e2e/clients/kubectl-table.e2e.ts",
];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const place = LONGEST.findIndex((file) => moduleId.endsWith(`/${file}`));
      return place === -1 ? LONGEST.length : place;
    };
    return (await super.sort(files)).toSorted((one, other) => rank(one) - rank(other));
  }
}
