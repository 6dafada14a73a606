# SPDX-License-Identifier: MIT
"""SOAP (Vyas et al., 2024): Adam in the eigenbasis of Shampoo's two matrices. A kernel [out][in * k * k] has one matrix of how the
gradients of its rows go together and one for its columns; in their eigenvectors the gradient's entries are nearly independent, which
is what Adam takes for granted. The bases are turned a little every few steps by one round of orthogonal iteration."""
import torch


class Soap(torch.optim.Optimizer):
    def __init__(self, parameters, lr=0.0, betas=(0.95, 0.99), eps=1e-8, refresh=10, largest=1024):
        super().__init__(parameters, dict(lr=lr, betas=betas, eps=eps, refresh=refresh, largest=largest))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self.move(parameter, group, self.state[parameter])

    def move(self, parameter, group, state):
        first, second = group["betas"]
        gradient = parameter.grad.reshape(parameter.shape[0], -1)
        if not state:
            state.update(steps=0, mean=torch.zeros_like(gradient), square=torch.zeros_like(gradient), sides=[], bases=[])
            for side in range(2):
                n = gradient.shape[side]
                if gradient.dim() == 2 and 1 < n <= group["largest"] and gradient.numel() > n:
                    state["sides"].append(self.gram(gradient, side))
                    state["bases"].append(torch.linalg.eigh(state["sides"][side].double() + 1e-30 * torch.eye(n, device=gradient.device))[1].flip(1).float())
                else:
                    state["sides"].append(None)
                    state["bases"].append(None)
        state["steps"] += 1
        turned = self.turn(gradient, state["bases"])
        state["mean"].lerp_(gradient, 1 - first)
        state["square"].mul_(second).addcmul_(turned, turned, value=1 - second)
        mean = self.turn(state["mean"], state["bases"]) / (1 - first ** state["steps"])
        root = (state["square"] / (1 - second ** state["steps"])).sqrt_().add_(group["eps"])
        parameter.sub_(self.back(mean / root, state["bases"]).view_as(parameter), alpha=group["lr"])
        for side in range(2):
            if state["sides"][side] is not None:
                state["sides"][side].lerp_(self.gram(gradient, side), 1 - second)
        if state["steps"] % group["refresh"] == 0:
            self.refresh(state)

    @staticmethod
    def gram(gradient, side):
        return gradient @ gradient.T if side == 0 else gradient.T @ gradient

    @staticmethod
    def turn(matrix, bases):
        left, right = bases
        matrix = matrix if left is None else left.T @ matrix
        return matrix if right is None else matrix @ right

    @staticmethod
    def back(matrix, bases):
        left, right = bases
        matrix = matrix if left is None else left @ matrix
        return matrix if right is None else matrix @ right.T

    def refresh(self, state):
        """One orthogonal iteration, columns in order of what they carry; the second moments follow their columns."""
        for side in range(2):
            gram, basis = state["sides"][side], state["bases"][side]
            if gram is None:
                continue
            order = (basis * (gram @ basis)).sum(0).argsort(descending=True)
            state["square"] = state["square"].index_select(side, order)
            state["bases"][side] = torch.linalg.qr(gram @ basis[:, order])[0]
