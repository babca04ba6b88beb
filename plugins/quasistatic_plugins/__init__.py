"""The plugins that come with quasistatic, each found through the entry-point group like any other."""
