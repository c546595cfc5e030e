/** The second hundred seeds. */
import { seedsHold } from "./seeds.cases.ts";

seedsHold(101, 100);
