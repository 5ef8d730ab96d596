# The images of Strata, one target each: `model`, `stage`, `ensemble`, `workbench`, `console` and `database`. All but
# the last two share the layer with torch; `make web` has to have built the console's page.
#
#   docker build --target model -t dev.local/strata/model:0.4.0 --build-arg UV_TORCH_BACKEND=cpu .
#
# BASE_IMAGE         any Debian with python3 (3.11) and libgomp1
# UV_TORCH_BACKEND   cpu: take torch from the index of its CPU builds; leave it unset where uv already knows where to find one
# MODEL_FOLDERS      folders of model files under examples/; each model is compiled into the image

ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS torch
ARG UV_TORCH_BACKEND
# Read-only containers cannot write bytecode: without it here, each start would compile every module anew.
ENV PATH=/opt/strata/venv/bin:$PATH \
    VIRTUAL_ENV=/opt/strata/venv \
    PYTHONPATH=/opt/strata \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PYC_INVALIDATION_MODE=UNCHECKED_HASH \
    HOME=/tmp
WORKDIR /opt/strata
COPY docker/install docker/torch.lock docker/torch.txt docker/
RUN useradd --uid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin strata \
 && docker/install --require-hashes -r docker/torch.lock \
 && docker/install --no-deps -r docker/torch.txt \
 && cd "$VIRTUAL_ENV"/lib/python3*/site-packages \
 && rm -rf torch/test torch/include torch/share torch/bin/test_* torch/bin/protoc* \
      sympy/*/tests sympy/*/*/tests networkx/*/tests numpy/*/tests \
 && python -m compileall -q -x '/(test|idlelib|lib2to3)/' "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
RUN python -c 'import torchvision' || { echo 'torch does not load: pass --build-arg UV_TORCH_BACKEND=cpu'; exit 1; }


FROM torch AS engines
COPY docker/model.lock docker/
RUN docker/install --require-hashes -r docker/model.lock \
 && cd "$VIRTUAL_ENV"/lib/python3*/site-packages \
 && rm -rf onnx/backend/test openvino/include openvino/libs/cache.json \
      openvino/libs/libopenvino_intel_gpu* openvino/libs/libopenvino_intel_npu* openvino/libs/libopenvino_tensorflow* \
      openvino/libs/libopenvino_paddle* openvino/libs/libopenvino_gguf* openvino/libs/libopenvino_jax*
COPY pyproject.toml .
COPY docker/record_version.py docker/
RUN python docker/record_version.py


FROM engines AS compiled
ARG MODEL_FOLDERS=examples/fashion/models
COPY quant quant
COPY services/__init__.py services/
COPY services/contracts services/contracts
COPY services/artifacts services/artifacts
COPY services/edge services/edge
COPY services/zoo services/zoo
COPY examples/fashion/models examples/fashion/models
COPY examples/measure/models examples/measure/models
COPY docker/compile_models.py docker/
RUN python docker/compile_models.py models ${MODEL_FOLDERS}


FROM engines AS model
COPY --from=compiled /opt/strata/models models
COPY quant quant
COPY services/__init__.py services/
COPY services/contracts services/contracts
COPY services/artifacts services/artifacts
COPY services/edge services/edge
COPY services/zoo services/zoo
COPY services/model services/model
RUN python -m compileall -q --invalidation-mode unchecked-hash quant services
USER 10001:10001
ENTRYPOINT ["python", "-m", "services.model"]


FROM engines AS stage
COPY quant quant
COPY services/__init__.py services/
COPY services/artifacts services/artifacts
COPY services/contracts services/contracts
COPY services/edge services/edge
COPY services/zoo services/zoo
COPY services/pipeline services/pipeline
COPY services/stage services/stage
RUN python -m compileall -q --invalidation-mode unchecked-hash quant services
# Large pages for what is allocated, where the node offers them: weights of 239 MB are in their place in half the time.
ENV GLIBC_TUNABLES=glibc.malloc.hugetlb=1
USER 10001:10001
ENTRYPOINT ["python", "-m", "services.stage"]


FROM torch AS ensemble
COPY docker/ensemble.lock docker/
RUN docker/install --require-hashes -r docker/ensemble.lock \
 && cd "$VIRTUAL_ENV"/lib/python3*/site-packages \
 && rm -rf ray/jars
COPY pyproject.toml .
COPY docker/record_version.py docker/
RUN python docker/record_version.py
COPY quant quant
COPY services/__init__.py services/
COPY services/contracts services/contracts
COPY services/artifacts services/artifacts
COPY services/edge services/edge
COPY services/zoo services/zoo
COPY services/cluster services/cluster
COPY services/ensemble services/ensemble
COPY examples/fashion examples/fashion
COPY examples/measure examples/measure
RUN python -m compileall -q --invalidation-mode unchecked-hash quant services
USER 10001:10001
ENTRYPOINT ["python", "-m", "services.ensemble"]


FROM engines AS workbench
COPY quant quant
COPY services/__init__.py services/
COPY services/artifacts services/artifacts
COPY services/contracts services/contracts
COPY services/edge services/edge
COPY services/zoo services/zoo
COPY services/workbench services/workbench
RUN python -m compileall -q --invalidation-mode unchecked-hash quant services
USER 10001:10001
ENTRYPOINT ["python", "-m", "services.workbench"]


FROM ${BASE_IMAGE} AS console
ENV PATH=/opt/strata/venv/bin:$PATH \
    VIRTUAL_ENV=/opt/strata/venv \
    PYTHONPATH=/opt/strata \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PYC_INVALIDATION_MODE=UNCHECKED_HASH \
    HOME=/tmp
WORKDIR /opt/strata
COPY docker/install docker/console.lock docker/
RUN useradd --uid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin strata \
 && docker/install --require-hashes -r docker/console.lock
COPY pyproject.toml .
COPY docker/record_version.py docker/
RUN python docker/record_version.py
COPY quant/__init__.py quant/decibels.py quant/diagnosis.py quant/errors.py quant/
COPY services/__init__.py services/
COPY services/artifacts services/artifacts
COPY services/contracts services/contracts
COPY services/edge services/edge
COPY services/console services/console
RUN test -f services/console/bundle/index.html || { echo 'the page is not built: run make web'; exit 1; } \
 && python -m compileall -q --invalidation-mode unchecked-hash quant services
USER 10001:10001
ENTRYPOINT ["python", "-m", "services.console"]


# For the console's own database: PostgreSQL of Debian's package.
FROM ${BASE_IMAGE} AS database
RUN apt-get update \
 && apt-get install --yes --no-install-recommends postgresql \
 && rm -rf /var/lib/apt/lists/* /var/lib/postgresql/* \
 && useradd --uid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin strata
COPY docker/run_database /usr/local/bin/
USER 10001:10001
ENV PGDATA=/data/postgresql
# Of SIGTERM PostgreSQL waits until its last client has left.
STOPSIGNAL SIGINT
CMD ["run_database"]
