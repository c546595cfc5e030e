/**
 * Expansion: $(NAME) in values, commands and arguments. Pure.
 *
 * $$ stands for one $; a name that is not defined stays as it is written.
 * https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
 */

export function expand(text: string, value: (name: string) => string | undefined): string {
  return text.replace(/\$(\$|\(([^)]*)\))/g, (whole, after: string, name: string) => {
    if (after === "$") return "$";
    return value(name) ?? whole;
  });
}
