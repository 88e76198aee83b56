"""How well people do on exactly the pictures on which a model is measured."""
