# JupyterLab with the notebooks, and everything that makes the book.
#
#   docker build -t lstsr .
#   docker run --rm -p 8888:8888 lstsr                    JupyterLab; its log gives the address with the token
#   docker run --rm -v "$PWD/out:/out" lstsr sh -c 'make book && lstsr-book site --out /out/site'
#
# The published pairs are not in the image: give a folder of them with  -v DIR:/pairs -e LSTSR_PAIRS=/pairs .

# The oldest Python that pyproject.toml allows, which is also the one that the lock was made with.
FROM python:3.11-slim-bookworm

SHELL ["/bin/bash", "-o", "pipefail", "-c"]

# One list for Binder, this image and the tests' machines; beside it Chromium, which prints the PDF. Debian's releases fix what
# matters of these packages, and their exact versions vanish from its servers with every update, so they are not pinned.
COPY .binder/apt.txt /tmp/apt.txt
# hadolint ignore=DL3008
RUN apt-get update \
    && grep -v '^#' /tmp/apt.txt | xargs apt-get install -y --no-install-recommends chromium \
    && rm -rf /var/lib/apt/lists/* /tmp/apt.txt

# Not root: notebooks run whatever is typed into them, and files written to a mounted folder should not be root's.
# Its number, since a host that forbids root cannot look up the name.
RUN useradd --create-home --uid 1000 reader \
    && install -d --owner reader --group reader /home/reader/lstsr
USER 1000
WORKDIR /home/reader/lstsr

# Versions first, the project after them: a change of the project's files does not install everything again. The stubs of the
# packages are enough for the editable installation, which only writes down where they are.
COPY --chown=reader:reader Makefile pyproject.toml requirements.lock README.md LICENSE ./
COPY --chown=reader:reader lstsr_core/__init__.py lstsr_core/__init__.py
COPY --chown=reader:reader book/_ext/lstsr_book/__init__.py book/_ext/lstsr_book/__init__.py
# torch's own index has builds without CUDA, gigabytes smaller.
RUN make .venv/.installed TORCH="--index-url https://download.pytorch.org/whl/cpu" \
    && .venv/bin/pip install --no-cache-dir --constraint requirements.lock jupyterlab==4.6.6 \
    && .venv/bin/pip check \
    && rm -rf /home/reader/.cache
ENV PATH=/home/reader/lstsr/.venv/bin:$PATH

COPY --chown=reader:reader . .

EXPOSE 8888
# Any address of the container, or the published port would lead nowhere; the token in the log keeps others out.
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--port=8888", "--no-browser", "--LabApp.default_url=/lab/tree/notebooks"]
