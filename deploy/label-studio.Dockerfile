# Label Studio alone: its pins and ours cannot share an environment.
FROM python:3.11.11-slim-bookworm

ARG UV_VERSION=0.13.9
ENV PYTHONUNBUFFERED=1 UV_PYTHON_DOWNLOADS=never

RUN pip install --no-cache-dir "uv==${UV_VERSION}"
COPY requirements/label-studio.lock /tmp/label-studio.lock
RUN uv venv --quiet /venv && uv pip sync --quiet --no-cache --compile-bytecode --python /venv/bin/python /tmp/label-studio.lock
ENV PATH=/venv/bin:$PATH

COPY adapters/label_studio/inside /sonoloop
ENV PYTHONPATH=/sonoloop DJANGO_SETTINGS_MODULE=sonoloop_settings OMP_NUM_THREADS=1

RUN python -m compileall -q /sonoloop \
    && useradd --create-home --uid 10001 --user-group sonoloop && mkdir -p /label-studio /data/frames \
    && chown -R sonoloop:sonoloop /label-studio /data
USER sonoloop
ENV LABEL_STUDIO_BASE_DATA_DIR=/label-studio
VOLUME /label-studio
CMD ["python", "-P", "-m", "label_studio.server", "start", "--no-browser", "--enable-legacy-api-token", "--internal-host", "0.0.0.0", "--port", "8080"]
