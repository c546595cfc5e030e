/** The first hundred seeds; the others beside them. */
import { seedsHold } from "./seeds.cases.ts";

seedsHold(1, 100);
