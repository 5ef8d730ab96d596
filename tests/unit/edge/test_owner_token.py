"""Signed owner tokens."""

import base64

import jwt
import pytest

from services.edge.errors import Unauthenticated
from services.edge.owner_token import LIFETIME_S, sign_owner, verify_owner

KEY, OTHER = "k" * 32, "o" * 32
NOW_S = 1_800_000_000.0


def test_a_token_says_whom_it_is_about_until_its_time_is_over() -> None:
    token = sign_owner(KEY, lambda: NOW_S, "ada")
    assert verify_owner(KEY, lambda: NOW_S + LIFETIME_S - 1, token) == "ada"
    with pytest.raises(Unauthenticated, match="out of date"):
        verify_owner(KEY, lambda: NOW_S + LIFETIME_S, token)


def test_a_token_of_another_key_or_changed_or_unsigned_or_of_another_kind_is_refused() -> None:
    token = sign_owner(KEY, lambda: NOW_S, "ada")
    head, _, signature = token.split(".")
    eve = base64.urlsafe_b64encode(b'{"sub":"eve","aud":"strata","exp":1900000000}').decode().rstrip("=")
    unsigned = jwt.encode({"sub": "eve", "aud": "strata", "exp": 1_900_000_000}, "", "none")
    elsewhere = jwt.encode({"sub": "eve", "aud": "bank", "exp": 1_900_000_000}, KEY, "HS256")
    endless = jwt.encode({"sub": "eve", "aud": "strata"}, KEY, "HS256")
    for forged in (sign_owner(OTHER, lambda: NOW_S, "ada"), f"{head}.{eve}.{signature}", unsigned, elsewhere, endless):
        with pytest.raises(Unauthenticated, match="not one that was signed"):
            verify_owner(KEY, lambda: NOW_S, forged)


def test_who_sends_no_token_is_asked_for_one() -> None:
    with pytest.raises(Unauthenticated, match="strata-owner"):
        verify_owner(KEY, lambda: NOW_S, "")
