/** Says of a model that was never trained what its answers are worth. */
export function RandomWeights({ trained }: { trained: boolean }) {
  if (trained) return null;
  return <p className="note">This model has random weights: its times are real, its answers are not.</p>;
}
