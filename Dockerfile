FROM python:3.12-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ONLY_BINARY=:all: PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements/build.txt requirements/runtime.txt requirements/
# The virtual environment has no pip of its own: the image's pip installs into it.
RUN pip install --require-hashes --requirement requirements/build.txt \
    && python -m venv --without-pip /opt/lotus \
    && pip --python /opt/lotus/bin/python install --require-hashes --requirement requirements/runtime.txt
COPY LICENSE README.md pyproject.toml setup.cfg ./
COPY examples/data/LICENSE-skfolio examples/data/
COPY src src
# The lock is the whole truth: the wheel brings no dependency, and the check fails when one is missing. The test suites
# of libraries stay behind.
RUN pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && pip --python /opt/lotus/bin/python install --no-deps dist/*.whl \
    && pip --python /opt/lotus/bin/python check \
    && find /opt/lotus/lib -type d -name tests -prune -exec rm -r {} +

FROM python:3.12-slim
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin lotus
COPY --from=build /opt/lotus /opt/lotus
ENV PATH=/opt/lotus/bin:$PATH PYTHONUNBUFFERED=1 HOST=0.0.0.0 PORT=8000 DATA_DIR=/data
WORKDIR /opt/lotus
RUN mkdir /data && chown 10001:10001 /data
VOLUME /data
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-I", "-c", "import http.client, os; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=3); c.request('GET', '/health/live'); raise SystemExit(c.getresponse().status != 200)"]
CMD ["lotus-performance", "serve"]
