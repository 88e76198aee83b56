"""Where on Earth was this street photo taken, judged from low-resolution pixels alone?"""
