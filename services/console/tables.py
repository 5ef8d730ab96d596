"""The database's tables; `migrations/` makes them."""

from sqlalchemy import Float, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import BigInteger

from services.console.domain import LONGEST_PATH

_ID = String(32)


class Base(DeclarativeBase):
    """Of all tables."""


class UserRow(Base):
    __tablename__ = "users"

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    name: Mapped[str] = mapped_column(String(40), unique=True)
    password_hash: Mapped[str] = mapped_column(String(200))


class LogInRow(Base):
    __tablename__ = "log_ins"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    user: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    csrf_token: Mapped[str] = mapped_column(String(64))
    until_s: Mapped[float] = mapped_column(Float, index=True)


class FailureRow(Base):
    """A wrong password for a name, whether there is such a user or not."""

    __tablename__ = "log_in_failures"
    __table_args__ = (Index("ix_log_in_failures_name_at_s", "name", "at_s"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(80))
    at_s: Mapped[float] = mapped_column(Float)


class FileRow(Base):
    __tablename__ = "files"
    __table_args__ = (UniqueConstraint("user", "path", name="uq_files_user_path"),)

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    user: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    path: Mapped[str] = mapped_column(String(LONGEST_PATH))
    is_folder: Mapped[bool]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    created_s: Mapped[float] = mapped_column(Float)
    workbench_file: Mapped[str] = mapped_column(String(64))


class CopyRow(Base):
    """Of a file that the workbench was given: a row outlives its file, until the copy has gone as well."""

    __tablename__ = "workbench_copies"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    user: Mapped[str] = mapped_column(_ID)
    file: Mapped[str] = mapped_column(_ID)


class RunRow(Base):
    __tablename__ = "runs"

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    user: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    request: Mapped[str] = mapped_column(Text)
    model_name: Mapped[str] = mapped_column(String(LONGEST_PATH))
    picture_name: Mapped[str] = mapped_column(String(LONGEST_PATH))
    picture_bytes: Mapped[int] = mapped_column(BigInteger)
    created_s: Mapped[float] = mapped_column(Float)
    state: Mapped[str] = mapped_column(String(16), index=True)
    session: Mapped[str] = mapped_column(String(64))
    result: Mapped[str] = mapped_column(Text)
    fault: Mapped[str] = mapped_column(Text)


class LinkRow(Base):
    __tablename__ = "links"

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    user: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    run: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), index=True)
    layer: Mapped[str] = mapped_column(String(LONGEST_PATH))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    page_bytes: Mapped[int] = mapped_column(BigInteger)
    created_s: Mapped[float] = mapped_column(Float)
