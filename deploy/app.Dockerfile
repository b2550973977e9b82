# ML backend, workers and beat. `--build-arg TORCH=cpu` leaves the CUDA libraries out (about 1.5 GB instead of 6).
FROM postgres:16.4-bookworm AS postgres
COPY deploy/postgres-client.sh /tmp/postgres-client.sh
RUN sh /tmp/postgres-client.sh /postgresql

FROM python:3.11.11-slim-bookworm

ARG TORCH=gpu
ARG UV_VERSION=0.13.9
ENV NO_ALBUMENTATIONS_UPDATE=1 PYTHONUNBUFFERED=1 PYTHONPATH=/app UV_PYTHON_DOWNLOADS=never

RUN pip install --no-cache-dir "uv==${UV_VERSION}"
COPY requirements/app.lock deploy/without-cuda.sh /tmp/
RUN if [ "$TORCH" = cpu ]; then \
        sh /tmp/without-cuda.sh /tmp/app.lock > /tmp/used.lock && backend=cpu; \
    else \
        cp /tmp/app.lock /tmp/used.lock && backend=; \
    fi \
    && uv venv --quiet /venv \
    && uv pip sync --quiet --no-cache --compile-bytecode --python /venv/bin/python ${backend:+--torch-backend $backend} /tmp/used.lock
# What `backup` and `restore` call, of the server's own version.
COPY --from=postgres /postgresql /postgresql
ENV PATH=/venv/bin:/postgresql:$PATH
RUN pg_dump --version && pg_restore --version

WORKDIR /app
COPY loop loop
COPY trainer trainer
COPY db db
COPY adapters adapters
COPY ml_backend ml_backend
COPY worker worker
COPY cli cli
COPY weights weights
# The root is read-only where it runs: what is not compiled now would be at every start.
RUN python -m compileall -q .

RUN useradd --create-home --uid 10001 --user-group sonoloop && mkdir -p /data/frames /data/label-studio && chown -R sonoloop:sonoloop /data
USER sonoloop
ENV SONOLOOP_HOME=/data
VOLUME /data
CMD ["python", "-m", "cli", "--help"]
