"""The processes of one launch, on torch.distributed through accelerate."""
