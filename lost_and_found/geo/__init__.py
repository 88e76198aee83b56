"""Distances on the globe, countries by name, admin-1 regions and towns by coordinates."""
