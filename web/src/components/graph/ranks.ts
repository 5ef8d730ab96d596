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
  /** How many are nodes. */
  nodes: number;
}

/** The rows, in the order of the nodes; a value that is read further below has one passage in each row between. */
export function rowsOf({ below }: Neighbours, ranks: number[]): Rows {
  const count = Math.max(-1, ...ranks) + 1;
  const made: Rows = {
    rows: Array.from({ length: count }, () => []),
    above: ranks.map(() => []),
    below: ranks.map(() => []),
    nodes: ranks.length,
  };
  ranks.forEach((rank, node) => {
    made.rows[rank]!.push(node);
    lead(node, below[node]!, ranks, made);
  });
  return made;
}

/** Lead a value down to its readers. */
function lead(node: number, readers: number[], ranks: number[], made: Rows): void {
  const way = [node];
  for (const reader of readers) {
    const rows = ranks[reader]! - ranks[node]!;
    while (way.length < rows) way.push(addPassage(way.at(-1)!, ranks[node]! + way.length, made));
    connect(way[rows - 1]!, reader, made);
  }
}

function addPassage(from: number, row: number, made: Rows): number {
  const passage = made.above.push([]) - 1;
  made.below.push([]);
  made.rows[row]!.push(passage);
  connect(from, passage, made);
  return passage;
}

function connect(from: number, to: number, made: Rows): void {
  made.below[from]!.push(to);
  made.above[to]!.push(from);
}
