"""The whole: the lab's Salt master and minions carry out the formula on a fleet."""
