"""Colours by name, as 8-bit (red, green, blue)."""

from __future__ import annotations

Colour = tuple[int, int, int]

WALLS: dict[str, tuple[Colour, ...]] = {
    "white": ((236, 233, 226), (226, 226, 222), (242, 238, 228)),
    "cream": ((233, 219, 184), (226, 208, 170), (238, 226, 198)),
    "yellow": ((233, 202, 118), (226, 190, 96)),
    "ochre": ((214, 164, 92), (205, 148, 84), (222, 176, 112)),
    "pink": ((228, 168, 150), (222, 152, 140), (235, 184, 172)),
    "pastel": ((196, 218, 212), (232, 206, 206), (240, 228, 180), (200, 208, 228)),
    "bright": (
        (62, 148, 176),
        (236, 176, 60),
        (214, 92, 78),
        (88, 164, 104),
        (222, 122, 164),
        (242, 214, 92),
    ),
    "blue": ((108, 156, 196), (86, 132, 178)),
    "green": ((130, 182, 138), (104, 160, 120)),
    "concrete": ((172, 168, 160), (158, 155, 148), (184, 178, 168)),
    "blocks": ((160, 156, 148), (150, 146, 140)),
    "mud": ((176, 124, 82), (164, 116, 80), (186, 138, 96)),
    "tiles": ((206, 202, 192), (190, 178, 162), (198, 206, 206)),
    "stone_grey": ((152, 148, 140), (138, 134, 126)),
    "stone_beige": ((208, 190, 158), (218, 202, 172), (198, 180, 150)),
    "brick_red": ((158, 78, 62), (146, 70, 56), (168, 88, 68)),
    "brick_brown": ((122, 84, 66), (110, 76, 62)),
    "brick_orange": ((196, 116, 76), (204, 128, 88), (184, 106, 70)),
    "brick_yellow": ((204, 172, 108), (194, 160, 98)),
    "brick_white": ((208, 204, 196), (198, 192, 184)),
    "half_timbered": ((236, 228, 210), (228, 216, 190)),
    "siding_white": ((234, 234, 232), (226, 228, 228)),
    "siding_grey": ((168, 174, 178), (146, 152, 158), (188, 184, 176)),
    "siding_blue": ((128, 152, 176), (108, 132, 152)),
    "wood_red": ((142, 48, 40), (132, 44, 38), (150, 56, 44)),
    "wood_yellow": ((226, 190, 110), (216, 178, 98)),
    "wood_white": ((234, 232, 224),),
    "wood_blue": ((92, 140, 176), (110, 156, 186)),
    "wood_brown": ((116, 82, 56), (132, 94, 64), (100, 72, 52)),
    "wood_natural": ((148, 124, 98), (128, 112, 96), (112, 100, 90)),
    "wood_bright": ((92, 150, 132), (196, 160, 72), (84, 124, 168)),
    "light_metal_wall": ((206, 210, 212), (180, 190, 196), (214, 206, 190)),
}

ROOFS: dict[str, Colour] = {
    "terracotta": (184, 92, 58),
    "brown_tile": (120, 72, 54),
    "dark_tile": (70, 68, 70),
    "blue_tile": (64, 84, 112),
    "grey_tile": (130, 128, 126),
    "slate": (84, 88, 98),
    "dark_shingle": (74, 70, 68),
    "brown_shingle": (112, 92, 76),
    "grey_shingle": (128, 124, 122),
    "grey_metal": (150, 154, 158),
    "light_metal": (202, 204, 202),
    "red_metal": (162, 52, 46),
    "green_metal": (62, 118, 88),
    "blue_metal": (58, 108, 168),
    "rust_metal": (150, 98, 70),
    "fibre_cement": (146, 144, 138),
    "concrete": (166, 160, 150),
    "white_concrete": (226, 222, 214),
    "thatch": (162, 136, 90),
}

SURFACES: dict[str, Colour] = {
    "asphalt_dark": (74, 75, 78),
    "asphalt_grey": (104, 104, 105),
    "asphalt_pale": (136, 132, 126),
    "concrete": (166, 162, 152),
    "brick_paving": (144, 104, 88),
    "cobbles": (122, 118, 114),
}

SOILS: dict[str, Colour] = {
    "red": (172, 88, 54),
    "orange": (194, 120, 70),
    "ochre": (190, 152, 104),
    "sand": (214, 188, 142),
    "dark": (74, 62, 52),
    "black": (70, 68, 68),
    "brown": (132, 104, 78),
    "grey": (140, 132, 120),
    "pale": (198, 182, 152),
}

PAINTS: dict[str, Colour] = {
    "white": (238, 238, 234),
    "yellow": (240, 190, 36),
    "red": (204, 40, 36),
    "black": (30, 30, 32),
    "grey": (176, 178, 180),
    "blue": (30, 84, 168),
    "green": (22, 112, 72),
    "orange": (240, 130, 30),
}


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """`first` with `share` (0 to 1) of `second`."""
    rest = 1.0 - share
    return (
        round(first[0] * rest + second[0] * share),
        round(first[1] * rest + second[1] * share),
        round(first[2] * rest + second[2] * share),
    )


def scale(colour: Colour, factor: float) -> Colour:
    """`colour` brighter or darker by a factor, within 8 bits."""
    return (
        min(255, round(colour[0] * factor)),
        min(255, round(colour[1] * factor)),
        min(255, round(colour[2] * factor)),
    )
