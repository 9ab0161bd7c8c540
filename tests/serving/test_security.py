"""Who may ask: Host, Origin, token, key, content type and size; what a server for other machines takes."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator

import pytest

from gazecli.errors import UsageError
from gazecli.serving.security import Access
from gazecli.serving.server import Entrance
from tests.serving.conftest import Asker, data_address


def test_another_host_is_refused_before_anything_else(asker: Asker) -> None:
    port = asker.server.address.port
    for host, status in [
        ("evil.example", 403),
        (f"evil.example:{port}", 403),
        ("127.0.0.1.evil.example", 403),
        ("192.168.1.5", 403),
        ("", 403),
        (f"localhost:{port}", 200),
        (f"[::1]:{port}", 200),
    ]:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", "/healthz", headers={"Host": host})
        assert connection.getresponse().status == status, host
        connection.close()


@pytest.mark.parametrize("origin", ["null", "https://evil.example", "http://127.0.0.1:1", "http://localhost"])
def test_another_origin_is_refused(asker: Asker, origin: str) -> None:
    answer = asker.page.get("/live", headers={"origin": origin})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "origin.refused")


def test_the_servers_own_origin_is_not(asker: Asker) -> None:
    assert asker.page.get("/live", headers={"origin": asker.base}).status_code == 200


def test_token_and_key_open_their_own_doors_only(asker: Asker) -> None:
    wrong = [
        (asker.bare, "/live"),
        (asker.api, "/live"),
        (asker.bare, "/v1/models"),
        (asker.page, "/v1/models"),
    ]
    for client, path in wrong:
        answer = client.get(path)
        assert answer.status_code == 401, path
        assert answer.headers["www-authenticate"] == "Bearer"
    assert asker.bare.get("/live", headers={"x-gaze-token": asker.token + "x"}).status_code == 401
    assert asker.bare.get("/healthz").json() == {"status": "ok"}


def test_every_answer_forbids_what_it_does_not_need(asker: Asker) -> None:
    page = asker.bare.get("/")
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in page.headers
    assert "access-control-allow-origin" not in asker.page.get("/live").headers
    for path in ("/page/..%2Flive.py", "/page/", "/nothing"):
        assert asker.bare.get(path).status_code == 404, path


def test_a_post_that_is_no_json_is_refused(asker: Asker) -> None:
    answer = asker.page.post(
        "/live/sessions", content='{"picture": 0}', headers={"content-type": "text/plain"}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "request.type")
    for body in ("", "{", "[]", "NaN", '{"picture": 99}'):
        answer = asker.page.post("/live/sessions", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 400, body


def test_a_body_that_is_too_large_is_refused(serve: Callable[..., Asker]) -> None:
    small = serve(max_upload=1000)
    assert small.chat().status_code == 413

    def in_pieces() -> Iterator[bytes]:
        yield from (b" " * 400 for _ in range(5))

    headers = {"content-type": "application/json"}
    answer = small.page.post("/live/sessions", content=in_pieces(), headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request.too_large")


def test_other_machines_need_a_key_of_your_own() -> None:
    with pytest.raises(UsageError, match="need a key"):
        Access.of("0.0.0.0", None, 1)
    with pytest.raises(UsageError, match="shorter"):
        Access.of("127.0.0.1", "short", 1)
    access = Access.of("0.0.0.0", "a long key of one's own", 1)
    assert access.allows_host("192.168.1.5:7860")
    assert not access.allows_host("evil.example:7860")


@pytest.mark.parametrize("port", [-1, 65536, 99999])
def test_a_port_that_is_none_is_refused(port: int) -> None:
    with pytest.raises(UsageError, match="between 0 and 65535"):
        Entrance.open(port=port)


def test_a_port_that_is_taken_is_refused(asker: Asker) -> None:
    with pytest.raises(UsageError, match="cannot listen"):
        Entrance.open(port=asker.server.address.port)


def test_a_picture_is_refused_by_its_size_in_pixels(serve: Callable[..., Asker]) -> None:
    answer = serve(max_pixels=1000).page.post("/live/sessions", json={"picture": data_address()})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "picture.too_large")
