"""The U-Net, its weights and losses, and how it is trained and applied in windows without seams."""
