import { useState } from "react";

import { ApiError, csrfHeaders, errorOf } from "../../lib/api";
import { type UserFile, useRefreshFiles } from "./api";

export interface Upload {
  id: number;
  path: string;
  sentFraction: number;
  error?: string;
  /** Something has that path already. */
  isThere?: boolean;
}

/** Send a file as it is; XMLHttpRequest, because fetch does not say how much has gone. */
function send(path: string, file: File, onProgress: (fraction: number) => void): Promise<UserFile> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/api/files?path=${encodeURIComponent(path)}`);
    for (const [name, value] of Object.entries(csrfHeaders())) request.setRequestHeader(name, value);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.responseType = "json";
    request.upload.onprogress = (event) => onProgress(event.total ? event.loaded / event.total : 0);
    request.onload = () =>
      request.status < 300 ? resolve(request.response) : reject(errorOf(request.status, request.response));
    request.onerror = () => reject(new ApiError(0, "Unavailable", "the way to the console broke: send it again"));
    request.send(file);
  });
}

/** Uploads under way, and those that failed. */
export function useUploads() {
  const [uploads, setUploads] = useState<Upload[]>([]);
  const refresh = useRefreshFiles();

  function change(id: number, part: Partial<Upload>) {
    setUploads((all) => all.map((each) => (each.id === id ? { ...each, ...part } : each)));
  }

  async function one(folder: string, file: File): Promise<UserFile | undefined> {
    const id = Math.random();
    const path = folder ? `${folder}/${file.name}` : file.name;
    setUploads((all) => [...all, { id, path, sentFraction: 0 }]);
    try {
      const made = await send(path, file, (sentFraction) => change(id, { sentFraction }));
      setUploads((all) => all.filter((each) => each.id !== id));
      await refresh();
      return made;
    } catch (error) {
      const isThere = error instanceof ApiError && error.kind === "ArtifactExists";
      if (isThere) await refresh(); // it may have come after the list
      change(id, { error: error instanceof Error ? error.message : String(error), isThere });
      return undefined;
    }
  }

  /** One after the other; what was made. */
  async function upload(folder: string, files: Iterable<File>): Promise<UserFile[]> {
    const made: UserFile[] = [];
    for (const file of files) {
      const done = await one(folder, file);
      if (done) made.push(done);
    }
    return made;
  }

  const dismiss = (id: number) => setUploads((all) => all.filter((each) => each.id !== id));
  return { uploads, upload, dismiss };
}
