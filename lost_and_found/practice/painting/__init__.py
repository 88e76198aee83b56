"""Painters of the parts of a scene: sky, ground, road, buildings, plants, street furniture, cars."""
