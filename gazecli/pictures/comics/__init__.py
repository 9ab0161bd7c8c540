"""The folder layouts of comics, a file each: how to recognise one, and the strips it holds.

Every layout module has `recognises(folder)` and `strips_in(folder, recipe)`, which gives a `Strip` or a
`Skipped` for each strip in a stable order, without opening pictures.
"""
