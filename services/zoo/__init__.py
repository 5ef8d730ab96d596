"""Models by name, their weights by reference, their pictures, and the forms in which they run.

Named: catalog over model_file and built_in; architectures, nasnet, efficientnet, darknet; weights.
Prepared: preprocessing, picture_files; detection. Read: exported torch programs; cuts, costs, split part them.
Compiled: compile writes (writers) a folder with a manifest, which one of the runtimes loads; chunks bounds a pass.
"""
