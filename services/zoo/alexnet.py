"""AlexNet of 3 convolutional and 4 fully connected layers: the network of papers/001's functions.

Kim and Lee, Deep Learning Using Serverless Computing, section 3: "Alexnet with 3 convolutional layers and 4 fully
connected layers". The paper states no widths. These are those of torchvision's AlexNet (Krizhevsky, One weird trick for
parallelizing convolutional neural networks, 2014) without its two middle convolutions, and with one more fully
connected layer before the last:

    Conv_1  [N,   3, 224, 224] -> [N,  64, 27, 27]   convolution 11 x 11, stride 4, padding 2; ReLU; max 3 x 3, stride 2
    Conv_2  [N,  64,  27,  27] -> [N, 192, 13, 13]   convolution 5 x 5, padding 2; ReLU; max 3 x 3, stride 2
    Conv_3  [N, 192,  13,  13] -> [N, 256,  6,  6]   convolution 3 x 3, padding 1; ReLU; max 3 x 3, stride 2
    FC      [N, 9216] -> 4096 -> 4096 -> 1024 -> K   ReLU between them
"""

from torch import Tensor, nn


class AlexNet3C4F(nn.Module):
    """[N, 3, H, W] -> [N, K]; pictures of 224 x 224 make the features 6 x 6, others are averaged to that."""

    def __init__(self, classes: int, dropout: float = 0.5):
        super().__init__()
        self.conv_1 = _convolution(3, 64, kernel=11, stride=4, padding=2)
        self.conv_2 = _convolution(64, 192, kernel=5, stride=1, padding=2)
        self.conv_3 = _convolution(192, 256, kernel=3, stride=1, padding=1)
        self.fc = nn.Sequential(
            nn.AdaptiveAvgPool2d(6),
            nn.Flatten(),
            *(nn.Dropout(dropout), nn.Linear(256 * 6 * 6, 4096), nn.ReLU()),
            *(nn.Dropout(dropout), nn.Linear(4096, 4096), nn.ReLU()),
            *(nn.Linear(4096, 1024), nn.ReLU()),
            nn.Linear(1024, classes),
        )

    def forward(self, image: Tensor) -> Tensor:
        scores: Tensor = self.fc(self.conv_3(self.conv_2(self.conv_1(image))))
        return scores


def _convolution(in_channels: int, out_channels: int, kernel: int, stride: int, padding: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, padding),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2),
    )
