from .network import Network


def test_imports():
    assert Network
