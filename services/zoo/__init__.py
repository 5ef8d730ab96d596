"""Models by name, their weights by reference, their pictures, and the forms in which they run.

Named: catalog over model_file and built_in; architectures, nasnet, efficientnet, darknet; weights.
Prepared: picture_files; decoding, resizing and lean_preprocessing without torch, preprocessing with it;
detection. Read: exported torch programs; cuts, costs, split part them.
Compiled: compile writes (writers) a folder with a manifest, which one of the runtimes loads; chunks bounds a pass.
"""
