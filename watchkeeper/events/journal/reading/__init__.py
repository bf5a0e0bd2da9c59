"""What reading a log needs beside the frames: how to go on behind a damaged part, and who has to hear of it."""
