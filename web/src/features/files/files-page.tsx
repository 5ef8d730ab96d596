import { useState } from "react";
import { useSearchParams } from "react-router";

import { ErrorNote } from "../../components/error-note";
import { exactBytes, formatBytes, formatTime } from "../../lib/format";
import { useTitle } from "../../lib/use-title";
import type { Account } from "../account/api";
import { type UserFile, useFiles } from "./api";
import { DropZone } from "./drop-zone";
import { FolderDialog, MoveDialog, RemoveDialog } from "./file-dialogs";
import { inFolder, nameOf, trail } from "./paths";
import { useUploads } from "./upload";
import { UploadList } from "./upload-list";

type Asked = { kind: "folder" } | { kind: "move" | "remove"; file: UserFile };

export function FilesPage({ account }: { account: Account }) {
  useTitle("Files");
  const files = useFiles();
  const [params, setParams] = useSearchParams();
  const folder = params.get("folder") ?? "";
  const { uploads, upload, dismiss } = useUploads();
  const [asked, setAsked] = useState<Asked | null>(null);
  const open = (path: string) => setParams(path ? { folder: path } : {});
  const close = () => setAsked(null);

  return (
    <>
      <div className="row">
        <h1>Files</h1>
        <span className="grow" />
        <label className="quota small" title={`${exactBytes(account.used_bytes)} of ${exactBytes(account.quota_bytes)}`}>
          {formatBytes(account.used_bytes)} of {formatBytes(account.quota_bytes)}
          <meter value={account.used_bytes} max={account.quota_bytes} high={0.9 * account.quota_bytes} />
        </label>
      </div>
      <nav aria-label="Folder" className="crumbs">
        <button type="button" className="link" onClick={() => open("")}>
          All files
        </button>
        {trail(folder).map((each) => (
          <span key={each.path}>
            {" / "}
            <button type="button" className="link" onClick={() => open(each.path)}>
              {each.name}
            </button>
          </span>
        ))}
        <span className="grow" />
        <button type="button" onClick={() => setAsked({ kind: "folder" })}>
          New folder
        </button>
      </nav>
      <DropZone label="Drop files here, or choose them" onFiles={(chosen) => void upload(folder, chosen)} />
      <UploadList uploads={uploads} onDismiss={dismiss} />
      <ErrorNote error={files.error} />
      <FileTable files={inFolder(files.data ?? [], folder)} isLoaded={files.isSuccess} onOpen={open} onAsk={setAsked} />
      {asked?.kind === "folder" && <FolderDialog folder={folder} onClose={close} />}
      {asked?.kind === "move" && <MoveDialog file={asked.file} onClose={close} />}
      {asked?.kind === "remove" && <RemoveDialog file={asked.file} onClose={close} />}
    </>
  );
}

function FileTable({
  files,
  isLoaded,
  onOpen,
  onAsk,
}: {
  files: UserFile[];
  isLoaded: boolean;
  onOpen: (path: string) => void;
  onAsk: (asked: Asked) => void;
}) {
  if (isLoaded && files.length === 0) return <p className="soft">Nothing is here yet.</p>;
  return (
    <div className="scroll">
      <table>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col" className="number">
              Size
            </th>
            <th scope="col" className="wide">
              Since
            </th>
            <th scope="col">
              <span className="hidden">What to do</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {files.map((file) => (
            <tr key={file.id}>
              <th scope="row">
                {file.is_folder ? (
                  <button type="button" className="link" onClick={() => onOpen(file.path)}>
                    <span aria-hidden="true">▸ </span>
                    {nameOf(file.path)}
                  </button>
                ) : (
                  nameOf(file.path)
                )}
              </th>
              <td className="number" title={file.is_folder ? undefined : exactBytes(file.size_bytes)}>
                {file.is_folder ? "" : formatBytes(file.size_bytes)}
              </td>
              <td className="wide soft">{formatTime(file.created)}</td>
              <td className="actions">
                {!file.is_folder && (
                  <a href={`/api/files/${file.id}/content`} aria-label={`Download ${nameOf(file.path)}`}>
                    Download
                  </a>
                )}
                <Action verb="Rename" file={file} onAct={() => onAsk({ kind: "move", file })} />
                <Action verb="Delete" file={file} onAct={() => onAsk({ kind: "remove", file })} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Action({ verb, file, onAct }: { verb: string; file: UserFile; onAct: () => void }) {
  return (
    <button type="button" className="link" onClick={onAct} aria-label={`${verb} ${nameOf(file.path)}`}>
      {verb}
    </button>
  );
}
