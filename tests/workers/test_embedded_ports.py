"""Ports: the usual one when free, another one when taken."""

import socket

from workers.embedded.ports import OTHER_PORTS, choose_ports


def test_a_free_usual_port_is_used() -> None:
    free = choose_ports({"web": 0})["web"]
    assert choose_ports({"web": free}) == {"web": free}


def test_a_taken_port_gives_another_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        usual = taken.getsockname()[1]
        assert choose_ports({"web": usual})["web"] != usual


def test_another_one_is_never_a_port_that_is_lent_to_outgoing_connections() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        usual = taken.getsockname()[1]
        chosen = choose_ports(dict.fromkeys("abcdefgh", usual))
    assert set(chosen.values()) <= set(OTHER_PORTS)
    assert max(OTHER_PORTS) < 32_768


def test_a_port_taken_on_every_interface_gives_another_one() -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        usual = taken.getsockname()[1]
        assert choose_ports({"web": usual})["web"] != usual


def test_two_names_never_get_the_same_port() -> None:
    free = choose_ports({"web": 0})["web"]
    chosen = choose_ports(dict.fromkeys("abcdefgh", free))
    assert len(set(chosen.values())) == 8
