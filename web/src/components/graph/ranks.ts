// The rows of a layered drawing: which row a node stands in, and through which rows its value passes.

/** Indices of the nodes that each node reads, and of those that read it. */
export interface Neighbours {
  above: number[][];
  below: number[][];
}

/**
 * The row of each node, from 0: below all that it reads, and as near to most of its neighbours as that allows.
 *
 * Nodes come after those that they read.
 */
export function ranksOf({ above, below }: Neighbours): number[] {
  const ranks: number[] = [];
  for (const inputs of above) ranks.push(inputs.reduce((rank, input) => Math.max(rank, ranks[input]! + 1), 0));
  for (let node = ranks.length - 1; node >= 0; node--) {
    if (below[node]!.length > above[node]!.length)
      ranks[node] = Math.min(...below[node]!.map((reader) => ranks[reader]!)) - 1;
  }
  return ranks;
}

/** What stands in the rows: nodes first, by their index, then the passages of values through rows between. */
export interface Rows {
  rows: number[][];
  above: number[][];
  below: number[][];
}

/** The rows, in the order of the nodes; a line to a node further below has a passage in each row between. */
export function rowsOf({ below }: Neighbours, ranks: number[]): Rows {
  const count = Math.max(-1, ...ranks) + 1;
  const made: Rows = {
    rows: Array.from({ length: count }, () => []),
    above: ranks.map(() => []),
    below: ranks.map(() => []),
  };
  ranks.forEach((rank, node) => {
    made.rows[rank]!.push(node);
    passages(node, rank, below[node]!, ranks, made);
  });
  return made;
}

function passages(node: number, rank: number, readers: number[], ranks: number[], made: Rows): void {
  for (const reader of readers) {
    let from = node;
    for (let row = rank + 1; row < ranks[reader]!; row++) {
      const passage = made.above.length;
      made.above.push([]);
      made.below.push([]);
      made.rows[row]!.push(passage);
      connect(from, passage, made);
      from = passage;
    }
    connect(from, reader, made);
  }
}

function connect(from: number, to: number, made: Rows): void {
  made.below[from]!.push(to);
  made.above[to]!.push(from);
}
