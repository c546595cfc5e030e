/** Columns of a description: aligned within the lines that have them. */
import { expect, test } from "vitest";
import { createDocument } from "./document.ts";

function laidOut(...lines: string[]): string {
  const document = createDocument();
  for (const line of lines) document.write(0, `${line}\n`);
  return document.text();
}

test("cells of lines that follow each other are aligned", () => {
  expect(laidOut("Name:\tx", "Longer Name:\ty")).toBe("Name:         x\nLonger Name:  y\n");
});

test("a line without the column ends its block", () => {
  expect(laidOut("A:\tx", "Heading", "Longer:\ty")).toBe("A:  x\nHeading\nLonger:  y\n");
});

test("inner columns align by themselves", () => {
  expect(laidOut("Port:\ta\t80", "TargetPort:\t80", "Port:\tlonger\t81")).toBe(
    "Port:        a  80\nTargetPort:  80\nPort:        longer  81\n",
  );
});

test("what stands before a part does not align with what follows", () => {
  const document = createDocument();
  document.write(0, "A:\tx\n");
  document.part();
  document.write(1, "Much longer:\ty\n");
  expect(document.text()).toBe("A:  x\n  Much longer:  y\n");
});
