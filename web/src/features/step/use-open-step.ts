import { useCallback } from "react";
import { useNavigate } from "react-router";

import { useStep } from "./api";

/** Stand at a layer, and go to the page that shows it. */
export function useOpenStep(run: string) {
  const { mutate, error } = useStep(run);
  const navigate = useNavigate();
  const open = useCallback(
    (layer: string) => mutate(layer, { onSuccess: () => navigate(`/runs/${run}/step`) }),
    [mutate, navigate, run],
  );
  return { open, error };
}
