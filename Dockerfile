FROM python:3.13-slim AS build
WORKDIR /app
COPY requirements.txt .
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir -r requirements.txt

FROM python:3.13-slim
# A volume that is mounted at VAR_DIR belongs to whom the folder belongs to.
RUN useradd --system --create-home tenantry && install -d -o tenantry /home/tenantry/var
WORKDIR /app
COPY --from=build /venv /venv
COPY --chown=tenantry . .
USER tenantry
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 VAR_DIR=/home/tenantry/var HOST=0.0.0.0 PORT=8000
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/healthz')"]
CMD ["python", "manage.py", "serve"]
