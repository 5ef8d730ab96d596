import { useEffect, useState } from "react";

export interface Events<Data> {
  /** The newest; none before the first. */
  data: Data | null;
  /** The way to the console is broken just now; the browser tries again by itself. */
  isBroken: boolean;
}

/** Follow server-sent events that do not end, newest first. */
export function useEvents<Data>(path: string, onData?: (data: Data) => void): Events<Data> {
  const [events, setEvents] = useState<Events<Data>>({ data: null, isBroken: false });
  useEffect(() => {
    const source = new EventSource(path);
    source.onmessage = (event: MessageEvent<string>) => {
      const data = JSON.parse(event.data) as Data;
      setEvents({ data, isBroken: false });
      onData?.(data);
    };
    source.onerror = () => setEvents((before) => ({ ...before, isBroken: true }));
    return () => source.close();
  }, [path, onData]);
  return events;
}
