"""The configuration as structs; `config/files.toml` documents every key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from msgspec import Meta

from components.xmpp_component.settings import Log, Monitor, Natural, Positive, Seconds, Server, Table
from components.xmpp_files.network_disk.settings import DiskSettings
from components.xmpp_files.purposes import Purpose, Retention
from components.xmpp_files.quota import Limits

DAY_S = 86_400
#: What browsers may show by themselves; all else they save. SVG, HTML, XML and PDF can hold scripts.
INLINE = (
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "image/avif",
    "image/heic",
    "audio/*",
    "video/*",
    "text/plain",
)


class KeepSettings(Table, frozen=True, kw_only=True):
    """One purpose: `max_file_bytes` 0 is that of `[upload]`, `keep_s` 0 is for ever."""

    enabled: bool = True
    keep_s: Natural = 31 * DAY_S
    max_file_bytes: Natural = 0


class PurposeSettings(Table, frozen=True, kw_only=True):
    """The purposes of XEP-0363 §5; `message` cannot be turned off."""

    message: KeepSettings = KeepSettings()
    profile: KeepSettings = KeepSettings(keep_s=0, max_file_bytes=1_048_576)
    ephemeral: KeepSettings = KeepSettings(keep_s=7 * DAY_S)
    permanent: KeepSettings = KeepSettings(enabled=False, keep_s=0)


class UploadSettings(Table, frozen=True, kw_only=True):
    """XEP-0363; without a `domain` it is off."""

    domain: str = "upload.localhost"
    users: tuple[str, ...] = ()
    max_file_bytes: Positive = 104_857_600
    slot_timeout_s: Positive = 300
    content_types: tuple[str, ...] = ("*/*",)
    inline_types: tuple[str, ...] = INLINE
    scan: tuple[str, ...] = ()
    scan_timeout_s: Seconds = 60.0
    purge_interval_s: Seconds = 60.0
    purposes: PurposeSettings = PurposeSettings()

    def retentions(self) -> dict[Purpose, Retention]:
        """Return the purposes that are served."""
        tables = {purpose: getattr(self.purposes, purpose.value) for purpose in Purpose}
        return {
            purpose: Retention(table.keep_s, min(table.max_file_bytes or self.max_file_bytes, self.max_file_bytes))
            for purpose, table in tables.items()
            if table.enabled or purpose is Purpose.MESSAGE
        }


class QuotaSettings(Table, frozen=True, kw_only=True):
    """0 is no limit."""

    user_bytes: Natural = 1_073_741_824
    user_day_bytes: Natural = 1_073_741_824
    user_day_slots: Natural = 1000
    host_bytes: Natural = 0
    min_free_bytes: Natural = 268_435_456

    def limits(self) -> Limits:
        """Return what is decided by the index."""
        return Limits(self.user_bytes, self.user_day_bytes, self.user_day_slots, self.host_bytes)


class S3Settings(Table, frozen=True, kw_only=True):
    """A bucket in place of the disk; without a `bucket` it is off."""

    bucket: str = ""
    prefix: str = ""
    endpoint: str = ""
    region: str = "us-east-1"
    virtual_hosts: bool = False
    access_key_id: str = ""
    secret_access_key: str = ""
    secret_access_key_file: str = ""


class ThumbnailSettings(Table, frozen=True, kw_only=True):
    """Small versions of images; `side` in pixels, limits of one image's making."""

    enabled: bool = False
    side: Annotated[int, Meta(ge=16, le=1024)] = 256
    max_file_bytes: Positive = 20_971_520
    max_pixels: Positive = 50_000_000
    memory_bytes: Annotated[int, Meta(ge=268_435_456)] = 536_870_912
    timeout_s: Seconds = 10.0
    cache_bytes: Positive = 33_554_432


class HttpSettings(Table, frozen=True, kw_only=True):
    """The doors for PUT and GET."""

    listen: tuple[str, ...] = ("127.0.0.1:5443",)
    public_url: str = ""
    host: str = ""
    certificate: str = ""
    key: str = ""
    connections: Positive = 1000
    uploads: Positive = 100
    uploads_per_user: Positive = 4
    header_timeout_s: Seconds = 30.0
    idle_timeout_s: Seconds = 30.0
    min_bytes_per_s: Positive = 2048
    stop_timeout_s: Seconds = 10.0


class ProxySettings(Table, frozen=True, kw_only=True):
    """XEP-0065; without a `domain` it is off."""

    domain: str = "proxy.localhost"
    users: tuple[str, ...] = ()
    listen: tuple[str, ...] = ("127.0.0.1:7777",)
    host: str = ""
    port: Annotated[int, Meta(ge=0, le=65535)] = 0
    connections: Positive = 500
    connections_per_address: Positive = 50
    handshake_timeout_s: Seconds = 15.0
    activation_timeout_s: Seconds = 60.0
    idle_timeout_s: Seconds = 300.0
    bytes_per_s: Natural = 0


class Config(Table, frozen=True, kw_only=True):
    """The whole file, with `data_dir` made absolute and the secret read."""

    data_dir: str = "var/files"
    server: Server = Server()
    upload: UploadSettings = UploadSettings()
    quota: QuotaSettings = QuotaSettings()
    s3: S3Settings = S3Settings()
    thumbnails: ThumbnailSettings = ThumbnailSettings()
    http: HttpSettings = HttpSettings()
    proxy: ProxySettings = ProxySettings()
    disk: DiskSettings = DiskSettings()
    monitor: Monitor = Monitor()
    log: Log = Log()

    @property
    def folder(self) -> Path:
        """Where files, index and keys are."""
        return Path(self.data_dir)
