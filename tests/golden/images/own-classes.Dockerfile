# penguins@3, answered by its engine 'native'. Made by cloche 0.1.0:
# cloche build makes the same file again.
# artifact sha256:abababababababababababababababababababababababababababababababab
# a note in two lines

FROM docker.io/library/python:3.11-slim AS build
# Another index than the base image's: --build-arg PIP_INDEX_URL=…
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
WORKDIR /build
COPY requirements.txt constraints.txt ./
COPY wheels/ wheels/
COPY projects/ projects/
RUN python3 -m venv --without-pip /opt/cloche \
 && python3 -m pip --python /opt/cloche/bin/python3 install --no-cache-dir --no-compile --disable-pip-version-check --root-user-action=ignore --constraint constraints.txt --requirement requirements.txt
# Tests and headers out, byte code in: a read-only image could not write it.
RUN python3 -m pip --python /opt/cloche/bin/python3 uninstall --yes --quiet nvidia-nccl-cu12 \
 && find /opt/cloche/lib -type d \( -path '*/numpy/*' -o -path '*/scipy/*' \) \( -name tests -o -name include -o -name _pyinstaller \) -prune -exec rm -rf {} + \
 && find /opt/cloche/lib -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.a' -o -path '*/pygments/lexers/[a-z]*.py' \) -delete \
 && /opt/cloche/bin/python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash -x '/(pygments|pycparser|distutils|f2py)/' /opt/cloche/lib

FROM docker.io/library/python:3.11-slim
COPY --from=build /opt/cloche /opt/cloche
RUN install -d -o 10001 -g 10001 /var/lib/cloche /var/lib/cloche/cache /var/lib/cloche/spool /srv/cloche/store/log /srv/cloche/store/agents
COPY config/ /etc/cloche/
COPY store/ /srv/cloche/store/
LABEL org.opencontainers.image.title="penguins" \
  org.opencontainers.image.version="3" \
  org.opencontainers.image.revision="c0ffee" \
  org.opencontainers.image.created="2026-01-01T00:00:00Z" \
  org.opencontainers.image.base.name="docker.io/library/python:3.11-slim" \
  org.opencontainers.image.description="Which penguin" \
  org.opencontainers.image.licenses="MIT" \
  dev.cloche.artifact="sha256:abababababababababababababababababababababababababababababababab" \
  dev.cloche.model="penguins@3" \
  dev.cloche.contract="2" \
  dev.cloche.engine="native" \
  dev.cloche.version="0.1.0"
ENV CLOCHE_STORE="file:///srv/cloche/store" \
  CLOCHE_CACHE="/var/lib/cloche/cache" \
  CLOCHE_SPOOL="/var/lib/cloche/spool" \
  CLOCHE_AUDIT_LOG="/var/lib/cloche/audit.jsonl" \
  CLOCHE_SERVER_HOST="0.0.0.0" \
  CLOCHE_SERVER_PORT="8000" \
  CLOCHE_SERVER_MANAGEMENT_PORT="8001" \
  CLOCHE_SERVER_ENGINE="native" \
  CLOCHE_SERVER_MONITOR="false" \
  HOME="/tmp" \
  PYTHONDONTWRITEBYTECODE="1" \
  PYTHONUNBUFFERED="1" \
  CLOCHE_KEYS="/etc/cloche/keys.jsonl"
USER 10001:10001
# Everything else may be read-only.
VOLUME ["/var/lib/cloche", "/srv/cloche/store/log", "/srv/cloche/store/agents"]
EXPOSE 8000 8001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
  CMD ["/opt/cloche/bin/python3", "-m", "cloche.deploy.health"]
# Flags of `cloche serve` may follow the image's name: docker run … IMAGE --workers 4
ENTRYPOINT ["/opt/cloche/bin/cloche", "serve", "penguins"]
