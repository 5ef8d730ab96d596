import { Component, type ReactNode } from "react";

interface Props {
  /** Where it changes, what failed is tried again. */
  place: string;
  children: ReactNode;
}

/** A page that cannot be shown says so in its place: a part of it that is no longer there, or a fault of ours. */
export class FaultBoundary extends Component<Props, { error: Error | null }> {
  override state = { error: null as Error | null };

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  override componentDidUpdate(before: Props) {
    if (before.place !== this.props.place && this.state.error) this.setState({ error: null });
  }

  override render() {
    const { error } = this.state;
    if (!error) return this.props.children;
    return (
      <div className="note note-error stack" role="alert">
        <p>This page cannot be shown: {error.message}. The console may be another version by now.</p>
        <button type="button" onClick={() => window.location.reload()}>
          Load it again
        </button>
      </div>
    );
  }
}
