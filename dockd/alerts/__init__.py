"""The ways in which a person is told of an alert; `channel` is their contract, and each other module is one of them."""
