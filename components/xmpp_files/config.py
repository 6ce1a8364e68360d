"""Reads the configuration file, and says precisely what is wrong with it."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from components.xmpp_component.config import checked_addresses, checked_server, loaded, secret_in
from components.xmpp_files.environment import told
from components.xmpp_files.settings import Config, HttpSettings, S3Settings


def load(path: Path | None, environ: Mapping[str, str] = os.environ) -> Config:
    """Read and check the settings, as `loaded` says."""
    return loaded(path, environ, Config, told, _checked)


def _checked(config: Config, folder: Path) -> Config:
    if not config.upload.domain and not config.proxy.domain:
        raise ValueError("upload.domain, proxy.domain: both are off, nothing is left to do")
    if config.upload.domain == config.proxy.domain:
        raise ValueError("proxy.domain: must differ from upload.domain")
    if config.thumbnails.enabled and importlib.util.find_spec("PIL") is None:
        raise ValueError("thumbnails.enabled: needs Pillow: pip install 'xmpp-server[files-thumbnails]'")
    return replace(
        config,
        data_dir=str(folder / config.data_dir),
        server=checked_server(config.server, folder),
        http=_with_paths(config.http, folder),
        proxy=replace(config.proxy, listen=checked_addresses("proxy.listen", config.proxy.listen, folder)),
        monitor=replace(config.monitor, listen=checked_addresses("monitor.listen", config.monitor.listen, folder)),
        s3=_with_key(config, folder),
    )


def _with_key(config: Config, folder: Path) -> S3Settings:
    s3 = config.s3
    if s3.secret_access_key and s3.secret_access_key_file:
        raise ValueError("s3: either secret_access_key or secret_access_key_file")
    if bool(s3.access_key_id) != bool(s3.secret_access_key or s3.secret_access_key_file):
        raise ValueError("s3: access_key_id and the secret access key belong together")
    if s3.endpoint and not re.fullmatch(r"https?://[^/?#\s]+(/[^?#\s]*)?", s3.endpoint):
        raise ValueError("s3.endpoint: must be like https://s3.example.org")
    if s3.bucket and config.upload.scan:
        raise ValueError("upload.scan: needs files on the disk, not in [s3]")
    if not s3.secret_access_key_file:
        return s3
    key = secret_in(folder / s3.secret_access_key_file, "s3.secret_access_key_file")
    return replace(s3, secret_access_key=key)


def _with_paths(http: HttpSettings, folder: Path) -> HttpSettings:
    if bool(http.certificate) != bool(http.key):
        raise ValueError("http: certificate and key belong together")
    if http.public_url and not re.fullmatch(r"https?://[^/?#\s]+(/[^?#\s]*)?", http.public_url):
        raise ValueError("http.public_url: must be like https://upload.example.org")
    http = replace(http, listen=checked_addresses("http.listen", http.listen, folder))
    if not http.certificate:
        return http
    return replace(http, certificate=str(folder / http.certificate), key=str(folder / http.key))
